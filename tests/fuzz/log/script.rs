//! A log, written step by step: requests of one frame and of several, in any order, some of which never
//! end, and openings in between.

use std::collections::VecDeque;

use arbitrary::{Result, Unstructured};
use windrow::disk::SimDisk;
use windrow::log::Request;

use crate::log_driver::{Driver, lines_behind};

/// The requests that were acknowledged, in the order of their commits: the numbers of their events.
#[derive(Debug, Default)]
pub struct Written(Vec<Vec<u64>>);

impl Written {
    /// Panics unless `numbers` are those of some of the requests: whole, once each, in order.
    pub fn assert_holds(&self, numbers: &[u64]) {
        let mut rest = numbers;
        for request in &self.0 {
            rest = rest.strip_prefix(request.as_slice()).unwrap_or(rest);
        }
        assert!(rest.is_empty(), "{numbers:?} are not requests out of {:?}", self.0);
    }
}

/// A request of which some frames are written.
struct Begun {
    request: Request,
    numbers: Vec<u64>,
}

struct Script {
    driver: Driver,
    written: Written,
    begun: VecDeque<Begun>,
    next: u64,
}

/// Writes a log as a script has it. Gives what was acknowledged, and the disk.
pub fn write(u: &mut Unstructured<'_>) -> Result<(Written, SimDisk)> {
    let driver = Driver::open(&SimDisk::new(1), &[]).unwrap();
    let mut script =
        Script { driver, written: Written::default(), begun: VecDeque::new(), next: 0 };
    for _ in 0..u.int_in_range(1..=10)? {
        script = script.step(u)?;
    }
    let disk = if u.arbitrary()? { script.driver.shut_down() } else { script.driver.disk };
    Ok((script.written, disk))
}

impl Script {
    fn step(mut self, u: &mut Unstructured<'_>) -> Result<Self> {
        match u.int_in_range(0..=9)? {
            0..=4 => {
                let begun = self.begin();
                self.commit(begun, u)?;
            }
            5 | 6 => {
                let mut begun = self.begin();
                for _ in 0..u.int_in_range(1..=3)? {
                    self.write(&mut begun, u)?;
                }
                self.begun.push_back(begun);
            }
            7 => {
                if let Some(begun) = self.begun.pop_front() {
                    self.commit(begun, u)?;
                }
            }
            8 => {
                drop(self.begun.pop_front());
                self.driver.settle();
            }
            _ => return self.open_again(u),
        }
        Ok(self)
    }

    fn begin(&self) -> Begun {
        Begun { request: self.driver.begin(), numbers: Vec::new() }
    }

    /// As many numbers as are chosen, and as much beside them.
    fn lines(
        &mut self,
        begun: &mut Begun,
        u: &mut Unstructured<'_>,
    ) -> Result<windrow::log::Lines> {
        let (first, count) = (self.next, u.int_in_range(1..=3)?);
        let pad = *u.choose(&[0, 0, 100, 3000, 9000])?;
        self.next += count;
        let lines = lines_behind(begun.numbers.len() as u64, first, count, pad);
        begun.numbers.extend(first..first + count);
        Ok(lines)
    }

    fn write(&mut self, begun: &mut Begun, u: &mut Unstructured<'_>) -> Result<()> {
        let lines = self.lines(begun, u)?;
        self.driver.write(&mut begun.request, lines).unwrap();
        self.driver.settle();
        Ok(())
    }

    fn commit(&mut self, mut begun: Begun, u: &mut Unstructured<'_>) -> Result<()> {
        let lines = self.lines(&mut begun, u)?;
        let Begun { request, numbers } = begun;
        let mut commit = self.driver.commit(request, lines, numbers.len() as u64);
        self.driver.settle();
        commit.answer().unwrap().unwrap();
        self.written.0.push(numbers);
        Ok(())
    }

    /// In order, or after the power has gone.
    fn open_again(self, u: &mut Unstructured<'_>) -> Result<Self> {
        let Self { driver, written, begun, next } = self;
        drop(begun);
        let disk = if u.arbitrary()? {
            driver.shut_down()
        } else {
            driver.disk.after_crash(u.int_in_range(0..=3)?)
        };
        let driver = Driver::open(&disk, &[]).unwrap();
        Ok(Self { driver, written, begun: VecDeque::new(), next })
    }
}
