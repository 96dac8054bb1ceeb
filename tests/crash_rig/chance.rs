//! Scripts by chance: what nobody thought of writing into one.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Stream;
use super::body::Line;
use super::script::Step;

/// Where the chances of one run come from, and where its streams have got to.
pub struct Chance {
    rng: StdRng,
    now: i64,
    uploading: bool,
}

impl Chance {
    /// The same seed gives the same run.
    pub fn of(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), now: 0, uploading: false }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.rng.random_range(0..bound)
    }

    /// A script of some steps, in which time goes on from where the last one ended.
    pub fn script(&mut self) -> Vec<Step> {
        let steps = 3 + self.below(15);
        self.uploading = false;
        (0..steps).map(|_| self.step()).collect()
    }

    fn step(&mut self) -> Step {
        match self.below(26) {
            0..8 => {
                let requests = 1 + self.below(3);
                Step::Send((0..requests).map(|_| self.request()).collect())
            }
            8..11 if self.uploading => {
                let (_, lines, pad) = self.request();
                Step::GoOn(lines, pad)
            }
            11 if self.uploading => {
                self.uploading = false;
                let (_, lines, pad) = self.request();
                Step::EndUpload(lines, pad)
            }
            12 if self.uploading => {
                self.uploading = false;
                Step::BreakOff
            }
            8..13 => {
                self.uploading = true;
                let (stream, lines, pad) = self.request();
                Step::BeginUpload(stream, lines, pad)
            }
            13..17 => Step::CatchUp,
            17 => Step::Close(self.stream()),
            20..25 => Step::Pass(self.below(100) as usize, self.below(2) == 0),
            25 => Step::Trim,
            18 => {
                self.uploading = false;
                Step::Restart
            }
            _ => {
                self.uploading = false;
                Step::Kill
            }
        }
    }

    fn stream(&mut self) -> Stream {
        Stream::ALL[self.below(3) as usize]
    }

    fn request(&mut self) -> (Stream, Vec<Line>, usize) {
        let lines = 1 + self.below(12);
        let bad = [0, 0, 20, 100][self.below(4) as usize];
        let lines = (0..lines).map(|_| self.line(bad)).collect();
        let pad = [0, 10, 300, 3000, 9000][self.below(5) as usize];
        (self.stream(), lines, pad)
    }

    /// Bad with a chance of `bad` per 100; else mostly in order, now and then late, now and then far
    /// ahead.
    fn line(&mut self, bad: u64) -> Line {
        if self.below(100) < bad {
            return Line::Bad;
        }
        self.now += [0, 0, 1, 1, 1, 2, 5, 40][self.below(8) as usize];
        Line::Event(match self.below(10) {
            0 => (self.now - self.below(60) as i64).max(0),
            1 => self.now + self.below(30) as i64,
            _ => self.now,
        })
    }
}
