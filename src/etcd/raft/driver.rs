//! The raft loop: awaits an event, then decides synchronously.
//!
//! The member's log goes to the disk thread, committed entries to the apply thread,
//! messages to the transport. As a leader it sends appends before its own disk has
//! them (raft thesis, 10.2.1); as a follower nothing is sent before what it says is
//! on the disk.

use std::{collections::VecDeque, sync::atomic::Ordering, time::Duration};

use prost::Message as _;
use raft::{ProgressState, RawNode, SnapshotStatus, StateRole, eraftpb as lib};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use wire::raftpb as pb;

use super::{
    convert,
    disk::{Job, Write},
    events::{ApplyJob, Done, Event, Outlets, RaftStatus},
    memory::MemoryLog,
};
use crate::server::{EtcdError, progress::Outcome};

/// Bytes of proposals that go into raft at once.
const MAX_PROPOSED: usize = 1 << 20;
/// Stands for the id of a proposal that another member waits for.
const FORWARDED: u64 = 0;
/// Events that are taken before raft's work is done.
const MAX_EVENTS: usize = 256;

/// A write that is on its way to the disk, and what has to wait for it.
struct InFlight {
    number: u64,
    messages: Vec<lib::Message>,
    snapshot: Option<pb::Snapshot>,
}

pub(crate) struct Driver {
    node: RawNode<MemoryLog>,
    log: MemoryLog,
    outlets: Outlets,
    in_flight: VecDeque<InFlight>,
    /// Proposals that wait for a leader, with the ids of those who wait for them.
    waiting: VecDeque<(u64, lib::Entry)>,
    lead: u64,
    /// Entries up to here were committed before the start. A sole voter that has
    /// applied them needs no election timeout.
    campaign_after: Option<u64>,
    catchup_entries: u64,
    /// Index of a saved snapshot that the log may be compacted for.
    compactable: u64,
}

impl Driver {
    pub(crate) fn new(
        node: RawNode<MemoryLog>,
        log: MemoryLog,
        outlets: Outlets,
        catchup_entries: u64,
    ) -> Self {
        let campaign_after = Some(node.raft.raft_log.committed);
        Self {
            node,
            log,
            outlets,
            in_flight: VecDeque::new(),
            waiting: VecDeque::new(),
            lead: 0,
            campaign_after,
            catchup_entries,
            compactable: 0,
        }
    }

    /// Runs until `stop` ends. `Err` if the member can't go on.
    pub(crate) async fn run(
        mut self,
        mut events: mpsc::Receiver<Event>,
        mut done: mpsc::UnboundedReceiver<Done>,
        heartbeat: Duration,
        stop: impl Future<Output = ()>,
    ) -> Result<(), EtcdError> {
        let mut ticker = interval(heartbeat);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tokio::pin!(stop);
        self.advance()?;
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                Some(first) = done.recv() => {
                    self.finished(first)?;
                    while let Ok(next) = done.try_recv() {
                        self.finished(next)?;
                    }
                }
                _ = ticker.tick() => self.tick(),
                Some(first) = events.recv() => {
                    let mut batch = Vec::new();
                    self.handle(first, &mut batch);
                    for _ in 0..MAX_EVENTS {
                        let Ok(next) = events.try_recv() else { break };
                        self.handle(next, &mut batch);
                    }
                    self.propose(batch);
                }
            }
            self.advance()?;
        }
    }

    fn tick(&mut self) {
        self.outlets
            .progress
            .ticked
            .store(self.outlets.clock.monotonic(), Ordering::Relaxed);
        // A follower whose disk is behind must not stand for election: raft relies on
        // a candidate's log being on the disk.
        if self.in_flight.is_empty() || self.node.raft.state == StateRole::Leader {
            self.node.tick();
        }
        self.retry();
    }

    /// Proposes again what waits, as far as anyone still waits for it.
    fn retry(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let leads = self.node.raft.state == StateRole::Leader;
        let waiters = &self.outlets.waiters;
        let wanted = |id: u64| {
            if id == FORWARDED {
                leads
            } else {
                waiters.has(id)
            }
        };
        let batch = self
            .waiting
            .drain(..)
            .filter(|(id, _)| wanted(*id))
            .collect();
        self.propose(batch);
    }

    fn handle(&mut self, event: Event, batch: &mut Vec<(u64, lib::Entry)>) {
        match event {
            Event::Propose { id, data } => {
                let entry = lib::Entry {
                    data,
                    ..Default::default()
                };
                self.gather(id, entry, batch);
            }
            Event::ProposeChange { id, change } => {
                let entry = convert::change_proposal(change.encode_to_vec().into());
                self.gather(id, entry, batch);
            }
            Event::Step(message) => self.step(*message),
            Event::ReadIndex { context } => {
                self.node.read_index(context.to_be_bytes().to_vec());
            }
            Event::TransferLeader { target } => self.node.transfer_leader(target),
            Event::ReportUnreachable { id } => self.node.report_unreachable(id),
            Event::ReportSnapshot { id, ok } => {
                let status = if ok {
                    SnapshotStatus::Finish
                } else {
                    SnapshotStatus::Failure
                };
                self.node.report_snapshot(id, status);
            }
            Event::Ticks(count) => (0..count).for_each(|_| self.tick()),
            // Whoever asked may have gone away.
            Event::Status { reply } => drop(reply.send(self.status())),
        }
    }

    fn gather(&mut self, id: u64, entry: lib::Entry, batch: &mut Vec<(u64, lib::Entry)>) {
        batch.push((id, entry));
        let size: usize = batch
            .iter()
            .map(|(_, entry)| convert::data_of(entry).len())
            .sum();
        if size >= MAX_PROPOSED {
            self.propose(std::mem::take(batch));
        }
    }

    /// Proposes entries in one message. Raft drops it while there is no leader or the
    /// leadership is being handed over: then they wait. A configuration change that
    /// comes before the last one is applied would be replaced by an empty entry, and
    /// whoever asked for it would never hear of it: it waits too.
    fn propose(&mut self, batch: Vec<(u64, lib::Entry)>) {
        let raft = &self.node.raft;
        let mut blocked = raft.state == StateRole::Leader && raft.has_pending_conf();
        let (later, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(|(_, entry)| {
            let is_change = entry.get_entry_type() == lib::EntryType::EntryConfChange;
            is_change && std::mem::replace(&mut blocked, true)
        });
        self.waiting.extend(later);
        if batch.is_empty() {
            return;
        }
        let mut message = lib::Message::default();
        message.set_msg_type(lib::MessageType::MsgPropose);
        message.from = self.node.raft.id;
        message.entries = batch
            .iter()
            .map(|(_, entry)| entry.clone())
            .collect::<Vec<_>>()
            .into();
        match self.node.raft.step(message) {
            Ok(()) => {}
            Err(raft::Error::ProposalDropped) => self.waiting.extend(batch),
            Err(error) => {
                for (id, _) in batch {
                    let error = EtcdError::Storage(error.to_string());
                    self.outlets.waiters.tell(id, Outcome::Dropped(error));
                }
            }
        }
    }

    fn step(&mut self, message: pb::Message) {
        let from = message.from;
        let Some(message) = convert::message_in(message) else {
            return;
        };
        if message.msg_type == lib::MessageType::MsgPropose
            && self.node.raft.state == StateRole::Leader
        {
            let entries = message.entries.into_iter();
            return self.propose(entries.map(|entry| (FORWARDED, entry)).collect());
        }
        let is_reply = message.msg_type == lib::MessageType::MsgAppendResponse;
        // A message that raft has no use for, such as a reply from a removed member.
        if let Err(error) = self.node.step(message) {
            crate::debug!("raft/node.go:356", "a message was passed over",
                "from" => format!("{from:x}"), "error" => error.to_string());
        }
        if is_reply && let Some(progress) = self.node.raft.mut_prs().get_mut(from) {
            // raft-rs #557: a late rejection may set the next index back below what the
            // follower is known to have.
            progress.next_idx = progress.next_idx.max(progress.matched + 1);
        }
    }

    fn finished(&mut self, done: Done) -> Result<(), EtcdError> {
        match done {
            Done::Persisted(number) => self.persisted(number),
            Done::Applied(index) => {
                self.node.advance_apply_to(index);
                self.retry();
            }
            Done::Change { change, reply } => {
                // The apply thread waits for the answer.
                let _ = reply.send(self.apply_change(&change));
            }
            Done::SnapshotSaved(metadata) => {
                let conf_state = convert::conf_state_in(metadata.conf_state);
                self.log
                    .note_snapshot(metadata.index, metadata.term, conf_state);
                self.compactable = self.compactable.max(metadata.index);
                crate::info!("etcdserver/server.go:2500", "saved snapshot", "snapshot-index" => metadata.index);
            }
            Done::Failed(why) => return Err(EtcdError::Storage(why)),
        }
        self.compact();
        Ok(())
    }

    /// Forgets old entries after a snapshot, but not while one is being sent: the
    /// follower will need what comes right after it.
    fn compact(&mut self) {
        let busy = self
            .outlets
            .progress
            .snapshots_in_flight
            .load(Ordering::Relaxed)
            != 0;
        if self.compactable == 0 || busy {
            return;
        }
        let index = std::mem::take(&mut self.compactable).saturating_sub(self.catchup_entries);
        let index = index.min(self.node.raft.raft_log.applied);
        if index > 0 {
            self.log.compact(index);
            crate::info!("etcdserver/server.go:2524", "compacted Raft logs", "compact-index" => index);
        }
    }

    fn apply_change(&mut self, change: &pb::ConfChange) -> Result<pb::ConfState, String> {
        let state = match convert::conf_change_in(change) {
            Some(change) => self
                .node
                .apply_conf_change(&change)
                .map_err(|error| error.to_string())?,
            None => self.node.raft.prs().conf().to_conf_state(),
        };
        Ok(convert::conf_state_out(state))
    }

    fn persisted(&mut self, number: u64) {
        while self
            .in_flight
            .front()
            .is_some_and(|write| write.number <= number)
        {
            let Some(write) = self.in_flight.pop_front() else {
                break;
            };
            if let Some(snapshot) = write.snapshot {
                self.to_apply(ApplyJob::Install(snapshot));
            }
            self.send(write.messages);
        }
        self.node.on_persist_ready(number);
    }

    /// Does everything that raft has ready.
    fn advance(&mut self) -> Result<(), EtcdError> {
        self.maybe_campaign();
        while self.node.has_ready() {
            self.step_ready()?;
            self.maybe_campaign();
        }
        Ok(())
    }

    fn maybe_campaign(&mut self) {
        let raft = &self.node.raft;
        let Some(after) = self.campaign_after else {
            return;
        };
        if raft.raft_log.applied < after || !self.in_flight.is_empty() {
            return;
        }
        let voters: Vec<_> = raft.prs().conf().voters().ids().iter().collect();
        if voters.is_empty() {
            return;
        }
        self.campaign_after = None;
        if voters == [raft.id] && raft.leader_id == 0 {
            // It can only vote for itself; a refusal shows as no leader.
            let _ = self.node.campaign();
        }
    }

    fn step_ready(&mut self) -> Result<(), EtcdError> {
        let mut ready = self.node.ready();
        // Before anyone hears of it: whoever has applied an entry and asks this member
        // must find it waiting for that entry, even while its own disk is the slowest.
        self.committed(self.node.raft.raft_log.committed);
        let new_state = ready.ss().map(|state| (state.leader_id, state.raft_state));
        if let Some((lead, role)) = new_state {
            self.new_state(lead, role == StateRole::Leader);
        }
        for read in ready.take_read_states() {
            if let Ok(context) = <[u8; 8]>::try_from(&read.request_ctx[..]) {
                // Nobody reads any more if the receiver is gone.
                let _ = self
                    .outlets
                    .reads
                    .send((u64::from_be_bytes(context), read.index));
            }
        }
        let messages = ready.take_messages();
        self.send(messages);

        let snapshot =
            (ready.snapshot().get_metadata().index != 0).then(|| ready.snapshot().clone());
        if let Some(snapshot) = &snapshot {
            self.log.install(snapshot);
        }
        let committed = ready.take_committed_entries();
        let entries = ready.take_entries();
        self.log.append(&entries);
        let write = Write {
            number: ready.number(),
            hard_state: ready.hs().map(convert::hard_state_out),
            entries,
            snapshot: snapshot.map(convert::snapshot_out),
        };
        let messages = ready.take_persisted_messages();
        self.node.advance_append_async(ready);
        self.write(write, messages)?;
        if !committed.is_empty() {
            self.to_apply(ApplyJob::Entries(committed));
        }
        // Only now may raft be given something new.
        if new_state.is_some_and(|(lead, _)| lead != 0) {
            self.retry();
        }
        Ok(())
    }

    fn write(&mut self, write: Write, messages: Vec<lib::Message>) -> Result<(), EtcdError> {
        let number = write.number;
        let nothing =
            write.hard_state.is_none() && write.entries.is_empty() && write.snapshot.is_none();
        if nothing && self.in_flight.is_empty() {
            self.send(messages);
            self.node.on_persist_ready(number);
            return Ok(());
        }
        self.in_flight.push_back(InFlight {
            number,
            messages,
            snapshot: write.snapshot.clone(),
        });
        let gone = |_| EtcdError::Storage("the log can't be written: its thread has ended".into());
        self.outlets.disk.send(Job::Write(write)).map_err(gone)
    }

    fn new_state(&mut self, lead: u64, leads: bool) {
        let progress = &self.outlets.progress;
        if !leads {
            self.outlets.store.lease_demote();
        }
        if lead != 0 && lead != self.lead {
            progress
                .elected
                .store(self.outlets.clock.monotonic(), Ordering::Relaxed);
            progress.leaders.send_modify(|count| *count += 1);
        }
        if leads {
            self.outlets.stats.leads();
        }
        self.lead = lead;
        progress
            .lead
            .send_if_modified(|known| std::mem::replace(known, lead) != lead);
    }

    fn committed(&self, index: u64) {
        self.outlets
            .progress
            .committed
            .fetch_max(index, Ordering::AcqRel);
    }

    fn to_apply(&self, job: ApplyJob) {
        // If the apply thread has ended it has said so, and the loop ends too.
        let _ = self.outlets.apply.send(job);
    }

    /// Hands messages to the transport; snapshots are made by the apply thread.
    fn send(&self, messages: Vec<lib::Message>) {
        if messages.is_empty() {
            return;
        }
        let members = self.outlets.store.membership();
        let mut out = Vec::with_capacity(messages.len());
        for message in messages {
            if members.removed.contains(&message.to) {
                continue;
            }
            let message = convert::message_out(message);
            if message.r#type() == pb::MessageType::MsgSnap {
                self.to_apply(ApplyJob::SendSnapshot(message));
            } else {
                if message.r#type() == pb::MessageType::MsgApp {
                    self.outlets.stats.sent_append(message.encoded_len());
                }
                out.push(message);
            }
        }
        if !out.is_empty() {
            self.outlets.transport.send(out);
        }
    }

    fn status(&self) -> RaftStatus {
        let raft = &self.node.raft;
        let leads = raft.state == StateRole::Leader;
        let matched = leads.then(|| {
            let of = |(id, progress): (&u64, &raft::Progress)| {
                // A member that gets a snapshot has nothing that counts yet.
                let waits = progress.state == ProgressState::Snapshot;
                (*id, if waits { 0 } else { progress.matched })
            };
            raft.prs().iter().map(of).collect()
        });
        RaftStatus { matched }
    }
}
