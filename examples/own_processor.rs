//! windrow with a processor of its own: what stands in `processed_data` is up to you.
//!
//! ```sh
//! cargo run --release --example own_processor -- --data-dir ./data
//! curl -d '{"type":"sensor_data","source":"web","data":{"celsius":20.5}}' http://127.0.0.1:8080/events
//! ```
//!
//! An event that the processor refuses goes to quarantine with the reason; so does one that makes it
//! panic, or takes longer than `table.process_timeout`.

use serde_json::{Value, json};
use windrow::cli::Program;
use windrow::sinks::table::{Event, Processed, Processor, Refused};

/// Turns Celsius into Fahrenheit.
#[derive(Debug)]
struct Fahrenheit;

impl Processor for Fahrenheit {
    fn process(&self, event: &Event<'_>) -> Result<Processed, Refused> {
        let data: Value = serde_json::from_str(event.data.unwrap_or("{}"))
            .map_err(|error| Refused(format!("`data` can't be read: {error}")))?;
        let celsius = data["celsius"].as_f64();
        let celsius = celsius.ok_or_else(|| Refused("`data` has no number `celsius`".into()))?;
        Ok(json!({ "fahrenheit": celsius * 1.8 + 32.0, "source": event.source }).into())
    }
}

fn main() -> std::process::ExitCode {
    Program::new().processor(Fahrenheit).run(std::env::args_os())
}
