//! A disk in memory with a live and a durable image, whose operations fail when told to.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    sync::Arc,
};

use journal::{Disk, DiskFile};
use parking_lot::Mutex;

/// Numbers from a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % (limit.max(1) as u64)) as usize
    }
}

/// What happens to one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It may be carried out in part; it and all that follow fail.
    PowerCut,
    /// It fails. A sync that fails has dropped what it should have written.
    Error(ErrorKind),
    /// A write writes a part of its bytes, then fails; anything else just fails.
    Short(ErrorKind),
}

/// What of the unsynced changes survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survival {
    Nothing,
    Everything,
    /// Each change or not, writes torn anywhere, each name in any of its states.
    Random,
}

#[derive(Clone)]
pub(crate) struct FaultDisk(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    files: Vec<Content>,
    /// What each name stood for since the directory's last sync; the last is in force.
    names: BTreeMap<String, Vec<Option<usize>>>,
    operations: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
    capacity: Option<u64>,
}

#[derive(Clone, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync.
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Truncate(length) => to.resize(*length, 0),
            Self::Write(at, bytes) => {
                let end = at + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

impl std::fmt::Debug for FaultDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultDisk")
    }
}

fn error(kind: ErrorKind) -> io::Error {
    io::Error::new(kind, "told to fail")
}

impl State {
    fn live(&self, name: &str) -> Option<usize> {
        self.names.get(name)?.last().copied().flatten()
    }

    fn set(&mut self, name: &str, file: Option<usize>) {
        let states = self.names.entry(name.to_owned());
        states.or_insert_with(|| vec![None]).push(file);
    }

    /// Counts an operation that changes something, and tells whether it fails.
    fn enter(&mut self) -> io::Result<Option<Fault>> {
        if self.dead {
            return Err(error(ErrorKind::Other));
        }
        self.operations += 1;
        let now = self.fault.filter(|(at, _)| *at == self.operations);
        let fault = now.map(|(_, fault)| fault);
        self.dead = fault == Some(Fault::PowerCut);
        Ok(fault)
    }

    /// For operations on names: they are carried out, as far as nobody looks, or not at all.
    fn enter_names(&mut self) -> io::Result<bool> {
        match self.enter()? {
            None => Ok(false),
            Some(Fault::PowerCut) => Ok(true),
            Some(Fault::Error(kind) | Fault::Short(kind)) => Err(error(kind)),
        }
    }

    fn used(&self) -> u64 {
        let live = self.names.keys().filter_map(|name| self.live(name));
        live.map(|file| self.files[file].live.len() as u64).sum()
    }
}

fn after(cut: bool) -> io::Result<()> {
    if cut {
        return Err(error(ErrorKind::Other));
    }
    Ok(())
}

impl FaultDisk {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn fail_at(&self, operation: u64, fault: Fault) {
        self.0.lock().fault = Some((operation, fault));
    }

    pub(crate) fn heal(&self) {
        let mut state = self.0.lock();
        state.fault = None;
        state.dead = false;
    }

    pub(crate) fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    pub(crate) fn set_capacity(&self, bytes: u64) {
        self.0.lock().capacity = Some(bytes);
    }

    pub(crate) fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// What is there when the power is back.
    pub(crate) fn after_power_cut(&self, survival: Survival, dice: &mut Dice) -> Self {
        let state = self.0.lock();
        let mut cut = State::default();
        for file in &state.files {
            let mut content = file.durable.clone();
            for change in &file.pending {
                match survival {
                    Survival::Nothing => {}
                    Survival::Everything => change.apply(&mut content),
                    Survival::Random => tear(change, dice)
                        .into_iter()
                        .for_each(|change| change.apply(&mut content)),
                }
            }
            cut.files.push(Content {
                live: content.clone(),
                durable: content,
                pending: Vec::new(),
            });
        }
        for (name, states) in &state.names {
            let kept = match survival {
                Survival::Nothing => states[0],
                Survival::Everything => states[states.len() - 1],
                Survival::Random => states[dice.below(states.len())],
            };
            cut.names.insert(name.clone(), vec![kept]);
        }
        cut.capacity = state.capacity;
        Self(Arc::new(Mutex::new(cut)))
    }

    /// Another disk with the same content, all of it durable.
    pub(crate) fn copy(&self) -> Self {
        self.sync_all();
        let state = self.0.lock();
        Self(Arc::new(Mutex::new(State {
            operations: 0,
            fault: None,
            dead: false,
            ..state.clone()
        })))
    }

    fn sync_all(&self) {
        let mut state = self.0.lock();
        for file in &mut state.files {
            file.durable.clone_from(&file.live);
            file.pending.clear();
        }
        for states in state.names.values_mut() {
            states.drain(..states.len() - 1);
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.list().unwrap()
    }

    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        let state = self.0.lock();
        state.files[state.live(name).unwrap()].live.clone()
    }

    /// Replaces or makes a file, as damage.
    pub(crate) fn put(&self, name: &str, content: Vec<u8>) {
        let mut state = self.0.lock();
        state.files.push(Content {
            live: content.clone(),
            durable: content,
            pending: Vec::new(),
        });
        let file = state.files.len() - 1;
        state.names.insert(name.to_owned(), vec![Some(file)]);
    }

    pub(crate) fn lose(&self, name: &str) {
        self.0.lock().names.remove(name);
    }
}

fn tear(change: &Change, dice: &mut Dice) -> Option<Change> {
    match (dice.below(3), change) {
        (0, _) => None,
        (1, Change::Write(at, bytes)) => {
            let from = dice.below(bytes.len());
            let to = from + dice.below(bytes.len() - from + 1);
            Some(Change::Write(at + from, bytes[from..to].to_vec()))
        }
        (_, change) => Some(change.clone()),
    }
}

impl Disk for FaultDisk {
    type File = FaultFile;

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        let names = state.names.keys().filter(|name| state.live(name).is_some());
        Ok(names.cloned().collect())
    }

    fn create_new(&self, name: &str) -> io::Result<FaultFile> {
        let mut state = self.0.lock();
        let cut = state.enter_names()?;
        if state.live(name).is_some() {
            return Err(error(ErrorKind::AlreadyExists));
        }
        state.files.push(Content::default());
        let number = state.files.len() - 1;
        state.set(name, Some(number));
        after(cut)?;
        drop(state);
        Ok(FaultFile(self.clone(), number))
    }

    fn open(&self, name: &str) -> io::Result<FaultFile> {
        let state = self.0.lock();
        if state.dead {
            return Err(error(ErrorKind::Other));
        }
        let number = state.live(name).ok_or_else(|| error(ErrorKind::NotFound))?;
        drop(state);
        Ok(FaultFile(self.clone(), number))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.live(name).is_none() && !state.dead {
            return Err(error(ErrorKind::NotFound));
        }
        let cut = state.enter_names()?;
        state.set(name, None);
        after(cut)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        let cut = state.enter_names()?;
        let file = state.live(from).ok_or_else(|| error(ErrorKind::NotFound))?;
        state.set(from, None);
        state.set(to, Some(file));
        after(cut)
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        let cut = state.enter_names()?;
        after(cut)?;
        for states in state.names.values_mut() {
            states.drain(..states.len() - 1);
        }
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.0.lock();
        let capacity = state.capacity.unwrap_or(u64::MAX);
        Ok(capacity.saturating_sub(state.used()))
    }
}

pub(crate) struct FaultFile(FaultDisk, usize);

impl FaultFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.0.0.lock();
        let fault = state.enter()?;
        let room = state
            .capacity
            .map(|capacity| capacity.saturating_sub(state.used()));
        let file = &mut state.files[self.1];
        let mut done = change;
        let mut result = match fault {
            None => Ok(()),
            Some(Fault::PowerCut) => Err(error(ErrorKind::Other)),
            Some(Fault::Error(kind)) => return Err(error(kind)),
            Some(Fault::Short(kind)) => {
                if let Change::Write(_, bytes) = &mut done {
                    bytes.truncate(bytes.len() / 2);
                }
                Err(error(kind))
            }
        };
        if let Change::Write(at, bytes) = &mut done {
            let growth = (*at + bytes.len()).saturating_sub(file.live.len()) as u64;
            if let Some(room) = room.filter(|room| growth > *room) {
                bytes.truncate(bytes.len().saturating_sub((growth - room) as usize));
                result = Err(error(ErrorKind::StorageFull));
            }
        }
        done.apply(&mut file.live);
        file.pending.push(done);
        result
    }
}

impl DiskFile for FaultFile {
    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(Change::Write(at as usize, bytes.to_vec()))
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.0.0.lock();
        let live = &state.files[self.1].live;
        let rest = live.get(at.min(live.len() as u64) as usize..).unwrap();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.0.lock();
        let fault = state.enter()?;
        let file = &mut state.files[self.1];
        match fault {
            None => {
                for change in std::mem::take(&mut file.pending) {
                    change.apply(&mut file.durable);
                }
                Ok(())
            }
            Some(Fault::PowerCut) => Err(error(ErrorKind::Other)),
            Some(Fault::Error(kind) | Fault::Short(kind)) => {
                file.pending.clear();
                Err(error(kind))
            }
        }
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().files[self.1].live.len() as u64)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.change(Change::Truncate(length as usize))
    }
}
