//! A disk in memory that forgets, tears and refuses, for tests.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::Disk;

/// Disks write sectors of so many bytes as a whole, or not at all.
const SECTOR: usize = 512;

#[derive(Clone)]
enum Op {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Default)]
struct State {
    /// What reads see.
    seen: Vec<u8>,
    /// What survives a crash for certain.
    durable: Vec<u8>,
    /// What may or may not survive, in part or whole, in any order.
    pending: Vec<Op>,
    /// Steps (writes, length changes, syncs) until every step fails.
    steps_left: Option<usize>,
    /// This many next steps of the kind fail; later ones work again.
    failing_writes: usize,
    failing_syncs: usize,
    steps: usize,
}

/// The disk; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct FaultDisk(Arc<Mutex<State>>);

/// A small generator of numbers, so that a seed tells all.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound
    }
}

fn apply(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

impl FaultDisk {
    pub(crate) fn with(bytes: Vec<u8>) -> FaultDisk {
        let disk = FaultDisk::default();
        *disk.0.lock() = State {
            seen: bytes.clone(),
            durable: bytes,
            ..State::default()
        };
        disk
    }

    /// Everything fails after so many more steps.
    pub(crate) fn crash_after(&self, steps: usize) {
        self.0.lock().steps_left = Some(steps);
    }

    pub(crate) fn fail_writes(&self, count: usize) {
        self.0.lock().failing_writes = count;
    }

    pub(crate) fn fail_syncs(&self, count: usize) {
        self.0.lock().failing_syncs = count;
    }

    pub(crate) fn steps(&self) -> usize {
        self.0.lock().steps
    }

    /// What the disk could hold after a crash right now.
    pub(crate) fn after_crash(&self, dice: &mut Dice) -> Vec<u8> {
        let state = self.0.lock();
        let mut bytes = state.durable.clone();
        let mut pending = state.pending.clone();
        while !pending.is_empty() {
            let op = pending.swap_remove(dice.below(pending.len() as u64) as usize);
            let fate = dice.below(3);
            match op {
                _ if fate == 0 => {}
                Op::SetLen(len) => bytes.resize(len as usize, 0),
                Op::Write(offset, data) if fate == 1 => apply(&mut bytes, offset as usize, &data),
                Op::Write(offset, data) => {
                    for (index, sector) in data.chunks(SECTOR).enumerate() {
                        if dice.below(2) == 0 {
                            apply(&mut bytes, offset as usize + index * SECTOR, sector);
                        }
                    }
                }
            }
        }
        bytes
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        match &mut self.steps_left {
            Some(0) => Err(io::Error::other("the machine stopped")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Disk for FaultDisk {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.0.lock();
        let start = offset as usize;
        match state.seen.get(start..start + buf.len()) {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        if state.failing_writes > 0 {
            state.failing_writes -= 1;
            // A full disk takes a part.
            let half = data[..data.len() / 2].to_vec();
            apply(&mut state.seen, offset as usize, &half);
            state.pending.push(Op::Write(offset, half));
            return Err(io::ErrorKind::StorageFull.into());
        }
        apply(&mut state.seen, offset as usize, data);
        state.pending.push(Op::Write(offset, data.to_vec()));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        if state.failing_syncs > 0 {
            state.failing_syncs -= 1;
            return Err(io::Error::other("the disk is gone"));
        }
        state.durable = state.seen.clone();
        state.pending.clear();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().seen.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        state.seen.resize(len as usize, 0);
        state.pending.push(Op::SetLen(len));
        Ok(())
    }
}
