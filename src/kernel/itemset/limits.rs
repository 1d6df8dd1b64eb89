//! Bounds on a run: number of sets, bytes, time, and a caller who has had enough.
//!
//! Frequent sets can outnumber any memory (60 items common to every basket have 2^60 subsets), so
//! every run carries a [`Guard`]. The miners report to it in batches through a [`Meter`], and a
//! run that is stopped ends in [`Overrun`], which says how many sets there are at least.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Bounds of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    /// Largest number of sets handed out.
    pub(crate) max_sets: u64,
    /// Largest number of bytes that a collected result may take.
    pub(crate) max_bytes: u64,
    /// Longest time of a run; a run stopped by it depends on the machine.
    pub(crate) max_time: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_sets: 100_000_000,
            max_bytes: 4 << 30,
            max_time: None,
        }
    }
}

/// Which bound was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// [`Limits::max_sets`].
    Sets,
    /// [`Limits::max_bytes`].
    Bytes,
    /// [`Limits::max_time`].
    Time,
}

/// A run that met one of its bounds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Overrun {
    /// The bound that was met.
    pub(crate) bound: Bound,
    /// Number of sets that there are at least; a power of two where one long frequent set proves
    /// it.
    pub(crate) at_least: f64,
    /// Length of the longest frequent set seen when the bound was met; zero when not known.
    pub(crate) longest: usize,
}

const RUNNING: u8 = 0;
const SETS: u8 = 1;
const BYTES: u8 = 2;
const TIME: u8 = 3;

/// Shared state of one run.
#[derive(Debug)]
pub(crate) struct Guard {
    limits: Limits,
    /// Where time is bounded: not every target has a clock.
    started: Option<Instant>,
    sets: AtomicU64,
    bytes: AtomicU64,
    met: AtomicU8,
    stop: AtomicBool,
}

impl Guard {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            started: limits.max_time.map(|_| Instant::now()),
            sets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            met: AtomicU8::new(RUNNING),
            stop: AtomicBool::new(false),
        }
    }

    /// The bound that was met, if any. A bound on sets outranks the others, since only it is the
    /// same on every machine.
    pub(crate) fn met(&self) -> Option<Bound> {
        match self.met.load(Ordering::Relaxed) {
            SETS => Some(Bound::Sets),
            BYTES => Some(Bound::Bytes),
            TIME => Some(Bound::Time),
            _ => None,
        }
    }

    /// Sets reported so far.
    pub(crate) fn sets(&self) -> u64 {
        self.sets.load(Ordering::Relaxed)
    }

    /// Ends the run without an error: the caller has enough.
    pub(crate) fn enough(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn elapsed(&self) -> Duration {
        self.started
            .map_or(Duration::ZERO, |started| started.elapsed())
    }

    /// What is left of the time.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let most = self.limits.max_time?;
        Some(most.saturating_sub(self.elapsed()))
    }

    fn exceed(&self, bound: u8) {
        let _ = self
            .met
            .compare_exchange(RUNNING, bound, Ordering::Relaxed, Ordering::Relaxed);
        self.enough();
    }

    /// Adds to the totals and compares them with the bounds.
    pub(crate) fn report(&self, sets: u64, bytes: u64) {
        let sets = self.sets.fetch_add(sets, Ordering::Relaxed) + sets;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if sets > self.limits.max_sets {
            self.exceed(SETS);
        } else if bytes > self.limits.max_bytes {
            self.exceed(BYTES);
        } else if self
            .limits
            .max_time
            .is_some_and(|most| self.elapsed() > most)
        {
            self.exceed(TIME);
        }
    }
}

/// One task's account with the guard: cheap to call for every set.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    guard: &'a Guard,
    sets: u64,
    bytes: u64,
    work: u32,
    stopped: bool,
}

/// Sets, and steps without a set, after which a task reports.
const BATCH: u64 = 2048;
const STEPS: u32 = 1 << 14;

impl<'a> Meter<'a> {
    pub(crate) fn new(guard: &'a Guard) -> Self {
        Self {
            guard,
            sets: 0,
            bytes: 0,
            work: 0,
            stopped: guard.stopped(),
        }
    }

    /// One set was found that took `bytes` to keep.
    #[inline(always)]
    pub(crate) fn set(&mut self, bytes: u64) {
        self.sets += 1;
        self.bytes += bytes;
        if self.sets >= BATCH {
            self.flush();
        }
    }

    /// A step of the search that may have found nothing; true when the run should end.
    #[inline(always)]
    pub(crate) fn step(&mut self) -> bool {
        self.work += 1;
        if self.work >= STEPS {
            self.flush();
        }
        self.stopped
    }

    #[inline(always)]
    pub(crate) fn stopped(&self) -> bool {
        self.stopped
    }

    /// The caller of a visitor asked for the end.
    pub(crate) fn stop(&mut self) {
        self.guard.enough();
        self.stopped = true;
    }

    #[cold]
    pub(crate) fn flush(&mut self) {
        self.guard.report(self.sets, self.bytes);
        self.sets = 0;
        self.bytes = 0;
        self.work = 0;
        self.stopped = self.guard.stopped();
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Number of subsets of `items` items with `least..=most` of them, as far as f64 counts.
pub(crate) fn subsets(items: usize, least: usize, most: usize) -> f64 {
    let mut total = 0.0;
    let mut ways = 1.0;
    for size in 0..=items.min(most) {
        if size >= least.max(1) {
            total += ways;
        }
        ways *= (items - size) as f64 / (size + 1) as f64;
    }
    total
}
