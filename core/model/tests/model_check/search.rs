//! Exhaustive search, breadth first: every state that a model can get into, each once.
//!
//! Two things are looked for. A **violation** is a state, or a step, that breaks a promise; as the search goes
//! breadth first, the path that is shown is a shortest one. A **dead end** is a state from which no
//! state of rest can be reached by steps that need no fault: it is found afterwards, by walking the
//! graph of those steps backwards from all states of rest. In a finite graph, if from every state a
//! state of rest can be reached, then every part of the graph that cannot be left contains one, so
//! whoever gives each possible step its turn some time comes to rest: there is neither a dead end
//! nor a circle that only circles.
//!
//! Of what exists, `stateright` (0.31, MIT, well kept) was looked at: it brings a web server and some forty
//! crates, it keeps no edges, which the walk backwards needs, and its own `eventually` is documented to
//! overlook circles. What is needed here is this file.

use std::{
    collections::VecDeque,
    fmt::{self, Debug},
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher},
};

/// A system to be searched.
pub(crate) trait Model {
    type State: Clone + PartialEq + Hash;
    type Step: Copy + Debug;

    fn first(&self) -> Self::State;
    /// Every step that is possible, and whether it may happen when nothing fails and nobody
    /// interferes.
    fn steps(&self, state: &Self::State, into: &mut Vec<(Self::Step, bool)>);
    /// Takes a step, or tells which promise it breaks.
    fn take(&self, state: &Self::State, step: Self::Step) -> Result<Self::State, &'static str>;
    /// Which promise is broken in this state.
    fn broken(&self, state: &Self::State) -> Option<&'static str>;
    /// Everything is as it should be in the end.
    fn rests(&self, state: &Self::State) -> bool;
    /// One line about a step, and the state that it led to.
    fn tell(&self, before: &Self::State, step: Self::Step, after: &Self::State) -> String;
    /// What is worth counting about a state.
    fn kind(&self, state: &Self::State) -> Option<&'static str>;
}

/// What was searched.
#[derive(Debug)]
pub(crate) struct Searched {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    /// The longest of the shortest paths.
    pub(crate) depth: usize,
    pub(crate) at_rest: usize,
    /// How many states there are of each kind.
    pub(crate) kinds: std::collections::BTreeMap<&'static str, usize>,
}

impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            states,
            steps,
            depth,
            at_rest,
            kinds,
        } = self;
        write!(
            f,
            "{states} states, {steps} steps, {depth} deep, {at_rest} at rest; {kinds:?}"
        )
    }
}

/// What was found instead of the end.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) promise: &'static str,
    pub(crate) path: String,
}

pub(crate) const COMES_TO_REST: &str = "the link comes to rest, promoted or aborted";
const NOBODY: u32 = u32::MAX;

struct Graph<'a, M: Model> {
    model: &'a M,
    states: Vec<M::State>,
    /// Open addressing: indices into `states`.
    table: Vec<u32>,
    came: Vec<(u32, Option<M::Step>)>,
    depth: Vec<u16>,
    hasher: BuildHasherDefault<Quick>,
}

impl<M: Model> Graph<'_, M> {
    fn slot(&self, state: &M::State) -> usize {
        let mask = self.table.len() - 1;
        let mut at = usize::try_from(self.hasher.hash_one(state) & 0xffff_ffff).unwrap() & mask;
        while let Some(known) = self.states.get(index(self.table[at])) {
            if known == state {
                break;
            }
            at = (at + 1) & mask;
        }
        at
    }

    /// The state's index, and whether it is new.
    fn insert(&mut self, state: M::State, from: u32, step: Option<M::Step>) -> (u32, bool) {
        if self.states.len() * 2 >= self.table.len() {
            self.table = vec![NOBODY; self.table.len() * 4];
            for index in 0..self.states.len() {
                let at = self.slot_of_new(index);
                self.table[at] = u32::try_from(index).unwrap();
            }
        }
        let at = self.slot(&state);
        if self.table[at] != NOBODY {
            return (self.table[at], false);
        }
        let new = u32::try_from(self.states.len()).unwrap();
        self.table[at] = new;
        let depth = self.depth.get(index(from));
        self.depth.push(depth.map_or(0, |depth| depth + 1));
        self.states.push(state);
        self.came.push((from, step));
        (new, true)
    }

    fn slot_of_new(&self, index: usize) -> usize {
        let mask = self.table.len() - 1;
        let hash = self.hasher.hash_one(&self.states[index]);
        let mut at = usize::try_from(hash & 0xffff_ffff).unwrap() & mask;
        while self.table[at] != NOBODY {
            at = (at + 1) & mask;
        }
        at
    }

    fn path(&self, to: u32, last: Option<M::Step>) -> String {
        let mut lines = VecDeque::new();
        if let Some(step) = last {
            lines.push_front(format!("{step:?}   <- breaks the promise"));
        }
        let mut at = to;
        while let (from, Some(step)) = self.came[index(at)] {
            let (before, after) = (&self.states[index(from)], &self.states[index(at)]);
            lines.push_front(self.model.tell(before, step, after));
            at = from;
        }
        let lines = lines.iter().enumerate();
        let lines: Vec<_> = lines
            .map(|(at, line)| format!("{:>3}. {line}", at + 1))
            .collect();
        lines.join("\n")
    }
}

/// Searches everything; `limit` states at most, beyond which the bounds are wrong.
pub(crate) fn search<M: Model>(model: &M, limit: usize) -> Result<Searched, Found> {
    let mut graph = Graph {
        model,
        states: Vec::new(),
        table: vec![NOBODY; 1 << 16],
        came: Vec::new(),
        depth: Vec::new(),
        hasher: BuildHasherDefault::default(),
    };
    graph.insert(model.first(), NOBODY, None);
    let mut steps = Vec::new();
    let mut count = 0;
    let mut calm: Vec<(u32, u32)> = Vec::new();
    let mut resting = Vec::new();
    let mut kinds = std::collections::BTreeMap::new();
    let mut here = 0;
    while let Some(state) = graph.states.get(index(here)).cloned() {
        if let Some(promise) = model.broken(&state) {
            let path = graph.path(here, None);
            return Err(Found { promise, path });
        }
        if model.rests(&state) {
            resting.push(here);
        }
        if let Some(kind) = model.kind(&state) {
            *kinds.entry(kind).or_default() += 1;
        }
        steps.clear();
        model.steps(&state, &mut steps);
        for (step, needs_no_fault) in &steps {
            let after = model.take(&state, *step).map_err(|promise| Found {
                promise,
                path: graph.path(here, Some(*step)),
            })?;
            count += 1;
            let (there, _) = graph.insert(after, here, Some(*step));
            if *needs_no_fault && there != here {
                calm.push((there, here));
            }
        }
        assert!(
            graph.states.len() <= limit,
            "more than {limit} states; the bounds are too wide"
        );
        here += 1;
    }
    if let Some(dead_end) = dead_end(graph.states.len(), &mut calm, &resting) {
        return Err(Found {
            promise: COMES_TO_REST,
            path: graph.path(dead_end, None),
        });
    }
    Ok(Searched {
        states: graph.states.len(),
        steps: count,
        depth: usize::from(graph.depth.iter().copied().max().unwrap_or_default()),
        at_rest: resting.len(),
        kinds,
    })
}

/// The first state that cannot get to any of those at rest. `calm` are the steps, turned round.
fn dead_end(states: usize, calm: &mut [(u32, u32)], resting: &[u32]) -> Option<u32> {
    calm.sort_unstable();
    let mut gets_there = vec![false; states];
    let mut todo = resting.to_vec();
    while let Some(there) = todo.pop() {
        let known = &mut gets_there[index(there)];
        if std::mem::replace(known, true) {
            continue;
        }
        let first = calm.partition_point(|(to, _)| *to < there);
        let before = calm[first..].iter().take_while(|(to, _)| *to == there);
        todo.extend(before.map(|(_, from)| *from));
    }
    let stuck = gets_there.iter().position(|gets_there| !gets_there)?;
    u32::try_from(stuck).ok()
}

fn index(state: u32) -> usize {
    state.try_into().unwrap()
}

/// A quick hash; states are compared whole, so a poor one costs time and nothing else.
#[derive(Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        for eight in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..eight.len()].copy_from_slice(eight);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
