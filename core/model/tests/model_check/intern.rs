//! Real records, plans and memories as small numbers, so that a state of the search is a few dozen bytes.

use std::{cell::RefCell, collections::HashMap, hash::Hash, rc::Rc};

/// The things of one kind that were met, each once. Zero is none of them.
#[derive(Debug)]
pub(crate) struct Interned<T> {
    ids: RefCell<HashMap<Rc<T>, u16>>,
    things: RefCell<Vec<Rc<T>>>,
}

impl<T: Eq + Hash> Interned<T> {
    pub(crate) fn new() -> Self {
        Self {
            ids: RefCell::default(),
            things: RefCell::default(),
        }
    }

    pub(crate) fn id(&self, thing: T) -> u16 {
        let (mut ids, mut things) = (self.ids.borrow_mut(), self.things.borrow_mut());
        if let Some(id) = ids.get(&thing) {
            return *id;
        }
        let thing = Rc::new(thing);
        things.push(Rc::clone(&thing));
        let id = u16::try_from(things.len()).unwrap();
        ids.insert(thing, id);
        id
    }

    pub(crate) fn get(&self, id: u16) -> Rc<T> {
        Rc::clone(&self.things.borrow()[usize::from(id) - 1])
    }

    pub(crate) fn find(&self, id: u16) -> Option<Rc<T>> {
        (id > 0).then(|| self.get(id))
    }
}
