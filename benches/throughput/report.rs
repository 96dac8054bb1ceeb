//! Figures of several rounds, their medians, and whether a target is reached.

/// The figures that one measurement has made, one for each round.
#[derive(Default)]
pub struct Figures(Vec<f64>);

impl Figures {
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[n / 2],
            n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
        }
    }

    pub fn worst(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }
}

/// What a figure has to be.
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn verdict(&self, figure: f64) -> String {
        let (reached, text) = match *self {
            Self::AtLeast(bound) => (figure >= bound, format!("at least {bound}")),
            Self::AtMost(bound) => (figure <= bound, format!("at most {bound}")),
        };
        format!("target {text}: {}", if reached { "reached" } else { "MISSED" })
    }
}

/// Prints a measurement of windrow beside the limit's: medians, ratio, and the target if it has one.
pub fn ratio(what: &str, unit: &str, windrow: &Figures, limit: &Figures, target: Option<&Target>) {
    let (windrow, limit) = (windrow.median(), limit.median());
    let ratio = windrow / limit;
    let verdict =
        target.map(|target| format!("   ({})", target.verdict(ratio))).unwrap_or_default();
    println!("  {what:<24} {windrow:>8.2} {unit} = {ratio:.2} × limit {limit:.2} {unit}{verdict}");
}

/// Prints the worst round of a measurement that has a bound of its own.
pub fn bound(what: &str, unit: &str, figures: &Figures, target: &Target) {
    let worst = figures.worst();
    println!("  {what:<24} {worst:>8.2} {unit} at worst   ({})", target.verdict(worst));
}

/// In millions a second.
pub fn millions_per_second(count: u64, time: std::time::Duration) -> f64 {
    count as f64 / time.as_secs_f64() / 1e6
}
