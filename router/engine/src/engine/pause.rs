//! Whether a node takes part: paused on request or by the reason of a decline, and cooling down. Such a node gets nothing
//! new; what it has accepted stays.

use router_schemas::{
    command::offer::{NodeAct, NodeRequest},
    event::{Change, NodeChange, Outcome},
    limits::TTL_MS,
    refusal::Refusal,
    reply::Answer,
    rules::Reason,
};

use super::{Engine, Verdict, effects::Effects, lapse::Lapse, refuse, state::NodeState, time::due};

impl NodeState {
    /// Whether it gets work and offers.
    pub fn takes_part(&self) -> bool {
        !self.paused && self.cool_until.is_none() && !self.evacuates
    }
}

impl Engine {
    pub(super) fn node_request(&mut self, request: NodeRequest, effects: &mut Effects<'_>) -> Verdict {
        let known = |n: &u32| self.state.nodes[*n as usize].known;
        let Some(node) = self.index.nodes.get(&request.node).copied().filter(known) else {
            return refuse(Refusal::UnknownNode, &request.node);
        };
        match request.act {
            NodeAct::Pause(Some(until)) if until <= self.state.clock.engine => {
                return refuse(Refusal::Invalid, "the pause would be over already");
            }
            NodeAct::Pause(until) => self.pause_node(node, until, effects),
            NodeAct::Resume => self.resume_node(node, effects),
            NodeAct::Evacuate => self.evacuate(node, effects),
        }
        (Outcome::Applied, Answer::Done)
    }

    /// The node gets nothing until this engine time, ms, or until it is resumed.
    pub(super) fn pause_node(&mut self, node: u32, until: Option<i64>, effects: &mut Effects<'_>) {
        let held = &mut self.state.nodes[node as usize];
        let before = std::mem::replace(&mut held.paused_until, until);
        held.paused = true;
        before.into_iter().for_each(|at| _ = self.state.pauses.remove(&(at, node)));
        until.into_iter().for_each(|at| _ = self.state.pauses.insert((at, node)));
        self.stands(node, NodeChange::Paused(until), effects);
    }

    /// The node takes part again, whatever kept it from it.
    pub(super) fn resume_node(&mut self, node: u32, effects: &mut Effects<'_>) {
        let held = &mut self.state.nodes[node as usize];
        (held.paused, held.evacuates) = (false, false);
        let (until, cool) = (held.paused_until.take(), held.cool_until.take());
        self.state.evacuations.remove(&node);
        until.into_iter().for_each(|at| _ = self.state.pauses.remove(&(at, node)));
        cool.into_iter().for_each(|at| _ = self.state.deadlines.remove(&(at, Lapse::CoolDown(node))));
        self.stands(node, NodeChange::Resumed, effects);
    }

    /// What the reason of a decline does to the node.
    pub(super) fn stand_back(&mut self, node: u32, reason: &Reason, effects: &mut Effects<'_>) {
        if let Some(within) = reason.cool_down.filter(|within| *within > 0) {
            let until = self.state.clock.service() + within.min(TTL_MS);
            let held = &mut self.state.nodes[node as usize];
            if held.cool_until.is_none_or(|before| before < until) {
                let before = held.cool_until.replace(until);
                before
                    .into_iter()
                    .for_each(|at| _ = self.state.deadlines.remove(&(at, Lapse::CoolDown(node))));
                self.state.deadlines.insert((until, Lapse::CoolDown(node)));
                self.stands(node, NodeChange::CoolsDown(until), effects);
            }
        }
        if reason.pause && !self.state.nodes[node as usize].paused {
            self.pause_node(node, None, effects);
        }
    }

    /// A node's cool-down is over.
    pub(super) fn lapse_cool_down(&mut self, node: u32, effects: &mut Effects<'_>) {
        self.state.nodes[node as usize].cool_until = None;
        effects.touch_node(node);
        if self.state.nodes[node as usize].takes_part() {
            self.stands(node, NodeChange::Resumed, effects);
        }
    }

    /// Ends the first pause whose time is over. False: there is none.
    pub(super) fn end_pause(&mut self, effects: &mut Effects<'_>) -> bool {
        let now = self.state.clock.engine;
        let Some((at, node)) = due(&self.state.pauses, now) else {
            return false;
        };
        self.state.pauses.remove(&(at, node));
        effects.begin_item();
        let held = &mut self.state.nodes[node as usize];
        (held.paused, held.paused_until) = (false, None);
        effects.touch_node(node);
        if held.takes_part() {
            self.stands(node, NodeChange::Resumed, effects);
        }
        effects.end_item(&self.state);
        true
    }

    /// The node stands otherwise now: who may be asked and who waits follow.
    pub(super) fn stands(&mut self, node: u32, change: NodeChange, effects: &mut Effects<'_>) {
        effects.change(Change::Node(self.state.node_name(node).to_owned(), change));
        self.index.roster.note_node(&self.state, node);
        effects.touch_node(node);
        match self.state.nodes[node as usize].takes_part() {
            true => self.state.wake(Some(node)),
            // What it was offered is withdrawn.
            false => _ = self.state.offers.leaving.insert(node),
        }
    }
}
