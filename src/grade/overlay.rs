//! A file that can be written without being changed: what is written stays in memory.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bolt::Disk;

/// What is kept of a write, in bytes; pages of databases are multiples of it.
const BLOCK_BYTES: usize = 1024;

/// Reads go to the file, with no lock (the member that writes it must not be kept
/// waiting by the grader), but for what was written here.
pub struct Overlay {
    file: File,
    written: Mutex<Written>,
}

struct Written {
    blocks: HashMap<u64, Box<[u8; BLOCK_BYTES]>>,
    length: u64,
    /// Bytes of the file that still count; what was cut off reads as zeros.
    of_file: u64,
}

impl Overlay {
    /// # Errors
    /// The file's length can't be told.
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let written = Written {
            blocks: HashMap::new(),
            length,
            of_file: length,
        };
        Ok(Self {
            file,
            written: Mutex::new(written),
        })
    }

    /// The lock protects plain data, which a panic elsewhere leaves whole.
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills `buf` from the file; zeros beyond the part that counts.
    fn read_file(&self, buf: &mut [u8], offset: u64, of_file: u64) -> io::Result<()> {
        let there = of_file.saturating_sub(offset).min(buf.len() as u64) as usize;
        let (head, tail) = buf.split_at_mut(there);
        self.file.read_exact_at(head, offset)?;
        tail.fill(0);
        Ok(())
    }
}

/// The parts of `length` bytes from `offset` on, block by block: the block's number,
/// where in the block, and how many bytes.
fn parts(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + length as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        let within = (at % BLOCK_BYTES as u64) as usize;
        let take = (BLOCK_BYTES - within).min((end - at) as usize);
        let part = (at / BLOCK_BYTES as u64, within, take);
        at += take as u64;
        (take > 0).then_some(part)
    })
}

impl Disk for Overlay {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let written = self.written();
        if offset + buf.len() as u64 > written.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read_file(buf, offset, written.of_file)?;
        let mut at = 0;
        for (block, within, take) in parts(offset, buf.len()) {
            if let Some(bytes) = written.blocks.get(&block) {
                buf[at..at + take].copy_from_slice(&bytes[within..within + take]);
            }
            at += take;
        }
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut written = self.written();
        let of_file = written.of_file;
        let mut at = 0;
        for (block, within, take) in parts(offset, data.len()) {
            if let Entry::Vacant(slot) = written.blocks.entry(block) {
                let mut bytes = Box::new([0; BLOCK_BYTES]);
                self.read_file(&mut bytes[..], block * BLOCK_BYTES as u64, of_file)?;
                slot.insert(bytes);
            }
            if let Some(bytes) = written.blocks.get_mut(&block) {
                bytes[within..within + take].copy_from_slice(&data[at..at + take]);
            }
            at += take;
        }
        written.length = written.length.max(offset + data.len() as u64);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.written().length)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut written = self.written();
        if length < written.length {
            let cut = length / BLOCK_BYTES as u64;
            written.blocks.retain(|block, _| *block <= cut);
            if let Some(bytes) = written.blocks.get_mut(&cut) {
                bytes[(length % BLOCK_BYTES as u64) as usize..].fill(0);
            }
            written.of_file = written.of_file.min(length);
        }
        written.length = length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn writes_are_read_back_and_the_file_stays() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&[7; 3000]).expect("written");
        let overlay = Overlay::new(file.try_clone().expect("a handle")).expect("an overlay");
        overlay.write_at(&[1; 1500], 1000).expect("written");
        overlay.write_at(&[2; 10], 5000).expect("written");
        let mut all = vec![9; 5010];
        overlay.read_at(&mut all, 0).expect("read");
        let expected = [
            vec![7; 1000],
            vec![1; 1500],
            vec![7; 500],
            vec![0; 2000],
            vec![2; 10],
        ];
        assert_eq!(all, expected.concat());
        assert!(overlay.read_at(&mut [0; 2], 5009).is_err());

        overlay.set_len(1200).expect("cut");
        overlay.set_len(4000).expect("grown");
        let mut all = vec![9; 4000];
        overlay.read_at(&mut all, 0).expect("read");
        let expected = [vec![7; 1000], vec![1; 200], vec![0; 2800]];
        assert_eq!(all, expected.concat());

        let mut kept = vec![0; 3000];
        file.read_exact_at(&mut kept, 0).expect("read");
        assert_eq!(kept, vec![7; 3000]);
        assert_eq!(file.metadata().expect("a length").len(), 3000);
    }
}
