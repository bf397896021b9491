//! Sorts what was touched and leaves doubles out, in bounded memory: what does not fit goes to the
//! disk in sorted runs, which are merged. Nothing is lost to hashing, and the order is always the
//! same.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    fs::File,
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _},
    path::PathBuf,
};

use resp::Touch;

/// Memory for what is in no run yet.
const MEMORY: usize = 16 << 20;
/// What an entry takes beside its key.
const ENTRY: usize = 96;
/// Runs of one size that become one of the next.
const FAN: usize = 16;

/// Where the sorter works.
#[derive(Debug)]
pub(super) struct KeySorter {
    /// Its files have no names and are gone with it.
    directory: PathBuf,
    memory: usize,
    newest: BTreeSet<Touch>,
    bytes: usize,
    /// Runs, the smallest sizes first.
    runs: Vec<Vec<File>>,
}

impl KeySorter {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self::within(directory, MEMORY)
    }

    fn within(directory: PathBuf, memory: usize) -> Self {
        Self {
            directory,
            memory,
            newest: BTreeSet::new(),
            bytes: 0,
            runs: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, touch: Touch) -> io::Result<()> {
        let bytes = ENTRY.saturating_add(match &touch {
            Touch::Key { key, .. } => key.len(),
            Touch::Database(_) | Touch::Everything => 0,
        });
        if self.newest.insert(touch) {
            self.bytes = self.bytes.saturating_add(bytes);
        }
        if self.bytes >= self.memory {
            self.spill()?;
        }
        Ok(())
    }

    /// Tells each once, in order.
    pub(super) fn finish<E: From<io::Error>>(
        mut self,
        mut each: impl FnMut(&Touch) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.runs.is_empty() {
            return self.newest.iter().try_for_each(each);
        }
        self.spill()?;
        let all = self.runs.drain(..).flatten().collect();
        merge(all, &mut each)
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut run = self.begin_run()?;
        for touch in std::mem::take(&mut self.newest) {
            write(&mut run, &touch)?;
        }
        self.bytes = 0;
        let mut run = end_run(run)?;
        // Sixteen of a size become one of the next.
        for size in 0.. {
            if self.runs.len() <= size {
                self.runs.push(Vec::new());
            }
            let Some(runs) = self.runs.get_mut(size) else {
                break;
            };
            runs.push(run);
            if runs.len() < FAN {
                break;
            }
            let full = std::mem::take(runs);
            let mut merged = self.begin_run()?;
            merge(full, &mut |touch| write(&mut merged, touch))?;
            run = end_run(merged)?;
        }
        Ok(())
    }

    fn begin_run(&self) -> io::Result<BufWriter<File>> {
        Ok(BufWriter::new(tempfile::tempfile_in(&self.directory)?))
    }
}

fn end_run(run: BufWriter<File>) -> io::Result<File> {
    let mut file = run.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Ok(file)
}

/// Goes through sorted runs in order; what several have is told once.
fn merge<E: From<io::Error>>(
    runs: Vec<File>,
    each: &mut impl FnMut(&Touch) -> Result<(), E>,
) -> Result<(), E> {
    let mut runs: Vec<_> = runs.into_iter().map(BufReader::new).collect();
    let mut heads = BinaryHeap::new();
    for (number, run) in runs.iter_mut().enumerate() {
        let head = read(run)?;
        heads.extend(head.map(|touch| Reverse((touch, number))));
    }
    let mut last = None;
    while let Some(Reverse((touch, number))) = heads.pop() {
        if let Some(run) = runs.get_mut(number) {
            let head = read(run)?;
            heads.extend(head.map(|touch| Reverse((touch, number))));
        }
        if last.as_ref() != Some(&touch) {
            each(&touch)?;
            last = Some(touch);
        }
    }
    Ok(())
}

/// What an entry of a run is.
const KEY: u8 = 1;
const DATABASE: u8 = 2;
const EVERYTHING: u8 = 3;

/// An entry: its kind; the database and one, or 0 when it is not known; the key's length; the key.
fn write(out: &mut impl io::Write, touch: &Touch) -> io::Result<()> {
    let (kind, database, key) = match touch {
        Touch::Key { database, key } => (KEY, *database, key.as_slice()),
        Touch::Database(database) => (DATABASE, *database, [].as_slice()),
        Touch::Everything => (EVERYTHING, None, [].as_slice()),
    };
    let database = database.map_or(0, |number| u64::from(number) + 1);
    out.write_all(&[kind])?;
    out.write_all(&database.to_le_bytes())?;
    out.write_all(&(key.len() as u64).to_le_bytes())?;
    out.write_all(key)
}

fn read(run: &mut BufReader<File>) -> io::Result<Option<Touch>> {
    if run.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut kind = [0];
    run.read_exact(&mut kind)?;
    let (mut database, mut length) = ([0; 8], [0; 8]);
    run.read_exact(&mut database)?;
    run.read_exact(&mut length)?;
    let database = u64::from_le_bytes(database).checked_sub(1);
    let database = database.and_then(|number| u32::try_from(number).ok());
    let mut key = Vec::new();
    run.take(u64::from_le_bytes(length)).read_to_end(&mut key)?;
    Ok(Some(match kind {
        [KEY] => Touch::Key { database, key },
        [DATABASE] => Touch::Database(database),
        [_] => Touch::Everything,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(memory: usize, touches: &[Touch]) -> Vec<Touch> {
        let directory = tempfile::tempdir().unwrap();
        let mut sorter = KeySorter::within(directory.path().to_owned(), memory);
        for touch in touches {
            sorter.add(touch.clone()).unwrap();
        }
        let mut out = Vec::new();
        let all = sorter.finish(|touch| {
            out.push(touch.clone());
            Ok::<_, io::Error>(())
        });
        all.unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        out
    }

    #[test]
    fn doubles_are_left_out_whatever_fits_in_memory() {
        let mut state = 7_u64;
        let touches: Vec<Touch> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let draw = state >> 40;
            let database = Some(u32::try_from(draw % 3).unwrap()).filter(|number| *number > 0);
            match draw % 50 {
                0 => Touch::Everything,
                1 => Touch::Database(database),
                _ => Touch::Key {
                    database,
                    key: (draw % 700).to_be_bytes().to_vec(),
                },
            }
        })
        .take(6000)
        .collect();
        let expected: Vec<_> = BTreeSet::from_iter(touches.clone()).into_iter().collect();
        assert!(expected.len() > 500);
        for memory in [1, 1000, 20_000, usize::MAX] {
            assert_eq!(sorted(memory, &touches), expected, "{memory} bytes");
        }
        assert_eq!(sorted(1, &[]), []);
    }
}
