//! What callers did to each key, in the order of its events, and what that allows an endpoint to hold.

use std::collections::BTreeMap;

use reliable_r2::store::identity::ObjectState;

use crate::endpoint::Holding;

#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) key: String,
    pub(crate) process: usize,
    pub(crate) is_delete: bool,
    began: u64,
    /// When it succeeded or failed, or its process died: it has had its effect by then, or will never have one.
    ended: Option<u64>,
    pub(crate) acknowledged: bool,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    events: u64,
    pub(crate) operations: Vec<Operation>,
    pub(crate) violations: Vec<String>,
}

impl History {
    /// Gives the operation's number.
    pub(crate) fn begin(&mut self, key: &str, process: usize, is_delete: bool) -> usize {
        let began = self.next();
        let key = key.to_owned();
        self.operations.push(Operation { key, process, is_delete, began, ended: None, acknowledged: false });
        self.operations.len() - 1
    }

    pub(crate) fn end(&mut self, number: usize, acknowledged: bool) {
        let ended = self.next();
        let operation = &mut self.operations[number];
        (operation.ended, operation.acknowledged) = (Some(ended), acknowledged);
    }

    pub(crate) fn died(&mut self, process: usize) {
        let ended = self.next();
        for operation in self.operations.iter_mut().filter(|it| it.process == process && it.ended.is_none()) {
            operation.ended = Some(ended);
        }
    }

    const fn next(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    fn of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Operation> {
        self.operations.iter().filter(move |it| it.key == key)
    }

    /// Whether no acknowledged operation began after this one had ended. Those that overlap may come in either order.
    fn is_newest(&self, operation: &Operation) -> bool {
        let is_later = |other: &Operation| operation.ended.is_some_and(|ended| other.began > ended);
        !self.of(&operation.key).any(|other| other.acknowledged && is_later(other))
    }

    fn is_deleted(&self, operation: &Operation) -> bool {
        let is_later = |other: &Operation| operation.ended.is_some_and(|ended| other.began > ended);
        self.of(&operation.key).any(|other| other.is_delete && other.acknowledged && is_later(other))
    }

    pub(crate) fn may_be_absent(&self, key: &str) -> bool {
        self.of(key).all(|it| !it.acknowledged) || self.of(key).any(|it| it.is_delete && self.is_newest(it))
    }

    pub(crate) fn may_hold(&self, holding: Holding) -> bool {
        holding.write.is_some_and(|number| self.is_newest(&self.operations[number]))
    }

    /// Whether a delete that failed may have left this: it can have removed newer writes before it failed, and an older one
    /// that a spare took after the delete had looked there. Acknowledged deletes count all the same.
    pub(crate) fn may_be_left(&self, holding: Holding) -> bool {
        let Some(operation) = holding.write.map(|number| &self.operations[number]) else { return false };
        let failed = self.of(&operation.key).filter(|it| it.is_delete && !it.acknowledged);
        let last = failed.map(|it| it.ended.unwrap_or(u64::MAX)).max();
        let is_later = |other: &Operation| operation.ended.is_some_and(|ended| other.began > ended);
        let mut later = self.of(&operation.key).filter(|it| it.acknowledged && is_later(it));
        last.is_some_and(|last| later.all(|it| !it.is_delete && it.began < last))
    }

    /// The newest acknowledged write is held, and no deleted one is.
    pub(crate) fn check_instant(&mut self, key: &str, holdings: &[Option<Holding>]) {
        let counts = |&(endpoint, holding): &(usize, Holding)| match holding.state {
            ObjectState::Stored => endpoint == 0,
            ObjectState::Pending => true,
            ObjectState::Reserved | ObjectState::Settled => false,
        };
        let held = holdings.iter().enumerate().filter_map(|(endpoint, holding)| holding.map(|it| (endpoint, it)));
        let held: Vec<_> = held.filter(counts).filter(|(_, holding)| holding.write.is_some()).collect();
        let mut found = Vec::new();
        if !self.may_be_absent(key) && !held.iter().any(|&(_, holding)| self.may_hold(holding)) {
            found.push(format!("{key}: the newest acknowledged write is lost; there is {held:?}"));
        }
        for (endpoint, holding) in held {
            let operation = holding.write.map(|number| &self.operations[number]);
            if operation.is_some_and(|operation| self.is_deleted(operation)) {
                found.push(format!("{key}: {holding:?} at {endpoint} was deleted"));
            }
        }
        self.violations.extend(found);
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        let keys: BTreeMap<_, _> = self.operations.iter().map(|it| (it.key.clone(), ())).collect();
        keys.into_keys().collect()
    }
}
