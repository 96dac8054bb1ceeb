//! What all subjects share: corpus, budget, seeds, and what a failure says.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arbitrary::{Result, Unstructured};
use arbtest::arbtest;

use crate::mutation;

/// Fewer bytes make no case.
const ENTROPY_BYTES_MIN: u32 = 32;
/// The search begins anew with small cases this often: they grow with time, and get slower.
const ROUND: Duration = Duration::from_secs(1);
/// Each entry of the corpus is replayed with so many choices of everything besides the input.
const CHOICES: u8 = 12;
/// So much of a failing case is printed. The file has all of it.
const SHOWN_BYTES: usize = 2000;

/// One reader, and what is held against it.
pub struct Subject {
    /// The test's name, and the corpus's.
    pub name: &'static str,
    /// Makes an input as somebody would write it who knows what is read.
    pub generate: fn(&mut Unstructured<'_>) -> Result<Vec<u8>>,
    /// Panics if something is wrong with how `input` is read. The rest of the case, such as limits and
    /// where a body is cut, is chosen here.
    pub check: fn(&[u8], &mut Unstructured<'_>) -> Result<()>,
    /// Bytes that a case is made of at most.
    pub entropy_bytes_max: u32,
    /// Cases that are made where nobody asks for a search: always the same, so that a failure is the
    /// fault of what was changed.
    pub cases: u32,
}

impl Subject {
    /// Replays the corpus and makes the fixed cases; then searches, if `WINDROW_FUZZ_SECONDS` says for how
    /// long. With `WINDROW_FUZZ_SEED`, makes that one case.
    pub fn run(&self) {
        let corpus = self.corpus();
        let inputs: Vec<Vec<u8>> = corpus.iter().map(|(_, input)| input.clone()).collect();
        let executions = Cell::new(0_u64);
        let property = |u: &mut Unstructured<'_>| {
            let input = self.input(&inputs, u)?;
            executions.set(executions.get() + 1);
            self.case(&input, "a seed below", u)
        };
        if let Some(seed) = seed() {
            arbtest(property).seed(seed).run();
            return;
        }
        for (path, input) in &corpus {
            for choice in 0..CHOICES {
                let choices: Vec<u8> = (0..=u8::MAX).map(|n| n.wrapping_mul(choice)).collect();
                // Choices that run out are no failure.
                let _ =
                    self.case(input, &path.display().to_string(), &mut Unstructured::new(&choices));
            }
        }
        for case in 1..=self.cases {
            let spread = case.wrapping_mul(37) % (self.entropy_bytes_max - ENTROPY_BYTES_MIN);
            let seed = u64::from(case) << 32 | u64::from(ENTROPY_BYTES_MIN + spread);
            // Choices that run out are no failure.
            arbtest(|u| property(u).or(Ok(()))).seed(seed).run();
        }
        let begin = Instant::now();
        while let Some(left) = budget().checked_sub(begin.elapsed()) {
            arbtest(property).size_max(self.entropy_bytes_max).budget(left.min(ROUND)).run();
        }
        println!("fuzz {}: {} of the corpus, {} made", self.name, corpus.len(), executions.get());
    }

    fn input(&self, inputs: &[Vec<u8>], u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        match u.int_in_range(0..=9)? {
            0..=5 => (self.generate)(u),
            6..=8 => Ok(mutation::of(inputs, u)?.unwrap_or_default()),
            _ => u.arbitrary(),
        }
    }

    fn case(&self, input: &[u8], from: &str, u: &mut Unstructured<'_>) -> Result<()> {
        let failing = Failing { subject: self.name, input, from };
        let checked = (self.check)(input, u);
        std::mem::forget(failing);
        checked
    }

    /// The subject's corpus, by the names of its files.
    fn corpus(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(self.name);
        let mut paths: Vec<PathBuf> =
            fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name)?.into_string().ok()
}

fn budget() -> Duration {
    let seconds = variable("WINDROW_FUZZ_SECONDS").map(|text| text.parse().expect("seconds"));
    Duration::from_secs_f64(seconds.unwrap_or(0.0))
}

fn seed() -> Option<u64> {
    let text = variable("WINDROW_FUZZ_SEED")?;
    Some(u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("a hexadecimal seed"))
}

/// A case under way: it tells about itself if it never ends well.
struct Failing<'a> {
    subject: &'a str,
    input: &'a [u8],
    from: &'a str,
}

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        let &mut Self { subject, input, from } = self;
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("fuzz-{subject}-{:08x}", crc32fast::hash(input)));
        let kept = fs::write(&path, input);
        eprintln!(
            "\nfuzz {subject}: failed on {} bytes, from {from}: {}\nkept as {} ({kept:?}); repeat a \
             seed with WINDROW_FUZZ_SEED=0x… ops/fuzz 1 {subject}",
            input.len(),
            input[..input.len().min(SHOWN_BYTES)].escape_ascii(),
            path.display()
        );
    }
}
