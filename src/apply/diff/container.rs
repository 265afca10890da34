//! What has to be done about one container.
//!
//! Of the containers on the host that carry its name, one at most is *right*: made for what is wanted now. The others
//! are former ones and leftovers. A former one that serves goes only after the right one is good.

use super::networks::{clash, leaving};
use super::order::Awaited;
use super::{Plan, Refusal};
use crate::apply::cause::{Cause, Claim, StopsFirst};
use crate::apply::desired::DesiredContainer;
use crate::apply::state::{Endpoint, Health, ObservedContainer, RunState};
use crate::apply::step::{Action, After, Creation, Goal, Step, Wait};
use crate::manifest::{ContainerSpec, Mount, MountSource, NetworkMode, OnFailure, Order, RestartPolicy};
use crate::model::ContainerName;

/// A container on the host with its name there.
pub(super) type Found<'a> = (&'a String, &'a ObservedContainer);

/// What is known of one container.
pub(super) struct Case<'a> {
    pub(super) name: &'a ContainerName,
    pub(super) wanted: &'a DesiredContainer,
    /// Its name on the engine once all is done.
    pub(super) base: String,
    right: Option<Found<'a>>,
    pub(super) others: Vec<Found<'a>>,
}

impl Case<'_> {
    pub(super) fn spec(&self) -> &ContainerSpec {
        &self.wanted.spec
    }

    pub(super) fn step(&self, action: Action, cause: Cause) -> Step {
        Step { container: Some(self.name.clone()), action, cause, undo: Vec::new(), after: After::default() }
    }

    /// Whether the engine leaves it alone once it has ended well.
    pub(super) fn may_end(&self) -> bool {
        match self.spec().restart {
            RestartPolicy::No | RestartPolicy::OnFailure(_) => true,
            RestartPolicy::Always | RestartPolicy::UnlessStopped => false,
        }
    }
}

impl<'a> Plan<'a> {
    /// Adds the steps for one container. What it depends on has been planned.
    pub(super) fn container(&mut self, name: &'a ContainerName) -> Result<(), Refusal> {
        let case = self.case(name);
        match case.right {
            Some(right) if self.is_active(right) => self.keep(&case, right),
            Some((right, observed)) if case.may_end() && observed.run == RunState::Exited(0) => {
                self.succeed(&case, right)
            }
            Some((right, observed)) => {
                let start = case.step(Action::Start { name: right.clone() }, Cause::NotRunning(observed.run));
                let files = case.files_before_start((right, observed));
                if case.is_off(observed) && self.swaps(&case) {
                    return self.swap_in(&case, right, files.into_iter().chain([start]).collect());
                }
                let mut steps = leaving(&case, (right, observed));
                let on = if self.gates(&case) { case.nameless() } else { case.wanted.networks.clone() };
                steps.extend(self.reconnection(&case, (right, observed), &on));
                steps.extend(files);
                steps.push(start);
                self.bring_up(&case, right, steps)
            }
            None => self.create(case),
        }
    }

    fn case(&self, name: &'a ContainerName) -> Case<'a> {
        let wanted = &self.desired.containers[name];
        let base = self.desired.engine_name(name);
        let hash = wanted.hash.to_string();
        let mut others: Vec<Found<'a>> = self.of_name.get(name).cloned().unwrap_or_default();
        let usable = |at: &usize| {
            let found = others[*at].1;
            found.spec == hash && found.run != RunState::Dead && self.joins_what_is_there(wanted, found)
        };
        let rank = |at: &usize| (others[*at].1.run.is_active(), *others[*at].0 == base);
        let right = (0..others.len()).filter(usable).max_by_key(rank);
        let right = right.map(|at| others.remove(at));
        Case { name, wanted, base, right, others }
    }

    /// Whether what a container shares a network or volumes with is what it was made with.
    fn joins_what_is_there(&self, wanted: &DesiredContainer, found: &ObservedContainer) -> bool {
        wanted.joins.iter().all(|name| {
            let Some((name, _)) = self.desired.containers.get_key_value(name) else { return false };
            let joined = self.case(name).right.map(|(_, right)| right.created);
            !self.renewed.contains(name) && joined.is_some_and(|created| created <= found.created)
        })
    }

    /// Whether it runs at this point of the plan.
    pub(super) fn is_active(&self, (name, observed): Found<'_>) -> bool {
        observed.run.is_active() && !self.stopped.contains(name)
    }

    /// The right container runs: what is not as it should be is mended, and it succeeds what it replaces.
    fn keep(&mut self, case: &Case<'a>, (right, observed): Found<'a>) -> Result<(), Refusal> {
        let takes_over = case.is_off(observed) && self.clashing(case).next().is_some();
        let is_nameless = !case.is_off(observed) && !observed.is_elsewhere && !observed.has_names();
        let is_at_gate = is_nameless && (self.serving(case).next().is_some() || self.replicas_serve(case));
        let mut mends = if takes_over || is_at_gate {
            Vec::new()
        } else {
            self.reconnection(case, (right, observed), &case.wanted.networks)
        };
        // Once everybody is on the networks that are wanted, nobody looks for it on another one.
        // By then it has its name.
        self.leaving.extend(leaving(case, (&case.base, observed)));
        if observed.run == RunState::Paused {
            mends.push(case.step(Action::Unpause { name: right.clone() }, Cause::NotRunning(observed.run)));
        }
        let changed_files = case.changed_files((right, observed));
        let is_told = changed_files.is_some();
        mends.extend(changed_files);
        if let Some(dependency) = self.replaced_dependency(case, observed) {
            let action = Action::Restart { name: right.clone(), grace: case.spec().stop_grace };
            mends.push(case.step(action, Cause::DependencyReplaced(dependency)));
            self.restarted.insert(case.name.clone());
        } else {
            mends.extend(case.tell((right, observed)));
        }
        mends.extend(case.note_told((right, observed)));
        let was_mended = !mends.is_empty();
        self.steps.extend(mends);
        if takes_over {
            return self.take_over(case, right);
        }
        if *right != case.base || !case.others.is_empty() || is_at_gate {
            // Where a run was cut off is not known, so the gate stands before the former one goes.
            let undo = if *right == case.base { Vec::new() } else { self.undo(case, right, &[]) };
            let wait = Step { undo: undo.clone(), ..self.wait(case, right, Cause::Started) };
            self.steps.push(wait);
            if is_at_gate {
                self.open_gate(case, right, &undo);
            }
            self.retire(case, right);
            return self.succeed(case, right);
        }
        let is_ready =
            observed.run == RunState::Running && matches!(observed.health, Health::Unchecked | Health::Healthy);
        let is_ready = is_ready && !self.is_job(case);
        if was_mended {
            self.wait_somewhere(case, right, if is_told { Cause::FilesChanged } else { Cause::Started });
        } else if !is_ready {
            self.wait_somewhere(case, right, Cause::NotReady(observed.run, observed.health));
        }
        Ok(())
    }

    /// The host has no right container: makes one, beside the former one where there is one.
    fn create(&mut self, mut case: Case<'a>) -> Result<(), Refusal> {
        let next = format!("{}.next-{}", case.base, case.wanted.hash.short());
        let is_taken = case.others.iter().any(|(name, _)| **name == case.base);
        let name = if is_taken { next } else { case.base.clone() };
        self.refuse_foreign(&name)?;
        if let Some(at) = case.others.iter().position(|(other, _)| **other == name) {
            let (other, observed) = case.others.remove(at);
            self.remove(&case, (other, observed), Cause::Leftover);
        }
        let cause = match case.others.iter().find(|(name, _)| **name == case.base) {
            None => Cause::Missing,
            Some((_, former)) if former.run == RunState::Dead => Cause::NotRunning(former.run),
            Some((_, former)) if former.spec == case.wanted.hash.to_string() => {
                let joined = case.wanted.joins.first().cloned();
                joined.map_or(Cause::SpecChanged, Cause::DependencyReplaced)
            }
            Some((_, former)) if case.wanted.image.id.is_some_and(|id| id.to_string() != former.image) => {
                Cause::ImageChanged
            }
            Some(_) => Cause::SpecChanged,
        };
        let image = case.wanted.image.names().find(|name| self.observed.images.contains(name));
        // What is made anew for another's sake has its image there, by whatever name.
        let same = case.others.iter().find(|(_, former)| former.spec == case.wanted.hash.to_string());
        let image = image.or_else(|| same.map(|(_, former)| former.image.clone()));
        let image = image.or_else(|| case.wanted.image.names().last()).unwrap_or_default();
        let swaps = self.swaps(&case);
        let mut on = match () {
            () if swaps => [(self.desired.gate(), Endpoint::default())].into(),
            () if self.gates(&case) => case.nameless(),
            () => case.wanted.networks.clone(),
        };
        let way_out = self.desired.way_out(case.wanted).filter(|_| !swaps);
        let first = way_out.and_then(|name| on.remove_entry(name)).or_else(|| on.pop_first());
        let first = first.unwrap_or_else(|| (self.desired.project.to_string(), Endpoint::default()));
        let creation = Creation {
            name: name.clone(),
            project: self.desired.project.clone(),
            container: case.name.clone(),
            serial: self.desired.serial,
            hash: case.wanted.hash,
            image,
            network: first.0,
            endpoint: first.1,
            mounts: case.spec().volumes.iter().map(|(path, mount)| self.desired.mount(path, mount)).collect(),
            spec: case.spec().clone(),
        };
        self.renewed.insert(case.name.clone());
        let create = case.step(Action::Create(Box::new(creation)), cause.clone());
        let files = case.files(&name, cause.clone());
        let connect = |(network, endpoint)| {
            let action = Action::Connect { name: name.clone(), network, endpoint };
            case.step(action, cause.clone())
        };
        let connects: Vec<Step> = on.into_iter().map(connect).collect();
        let start = case.step(Action::Start { name: name.clone() }, cause);
        let steps: Vec<Step> = [create].into_iter().chain(files).chain(connects).chain([start]).collect();
        if swaps { self.swap_in(&case, &name, steps) } else { self.bring_up(&case, &name, steps) }
    }

    /// Starts a container, whose start is the last of `steps`; what stands in its way is stopped before, and what it
    /// replaces goes when it is good.
    fn bring_up(&mut self, case: &Case<'a>, new: &String, mut steps: Vec<Step>) -> Result<(), Refusal> {
        let former: Vec<Found<'a>> = case.others.iter().copied().filter(|found| self.is_active(*found)).collect();
        let jobs = former.iter().filter(|found| case.spec().update.order.is_none() && self.was_job(case, **found));
        let mut in_the_way: Vec<(Found<'a>, Cause)> = match stops_first(case.wanted, &former) {
            None => jobs.map(|found| (*found, Cause::MakesRoom(StopsFirst::Job))).collect(),
            Some(why) => former.iter().map(|found| (*found, Cause::MakesRoom(why.clone()))).collect(),
        };
        let holders = self.observed.containers.iter();
        let holders = holders.filter_map(|found| Some((found, self.holds(case, found)?)));
        in_the_way.extend(holders.map(|(found, claim)| (found, Cause::Holds(claim, case.name.clone()))));

        let gates = self.gates(case);
        self.restarted.insert(case.name.clone());
        // A job that is stopped has done a part, and is not begun again.
        let stopped = in_the_way.iter().filter(|(found, _)| !self.was_job(case, *found));
        let stopped: Vec<&String> = stopped.map(|((name, _), _)| *name).collect();
        let undo = self.undo(case, new, &stopped);
        let start = steps.pop();
        for ((name, observed), cause) in in_the_way {
            steps.push(case.step(Action::Stop { name: name.clone(), grace: observed.stop_grace }, cause));
            self.stopped.insert(name.clone());
        }
        steps.extend(start);
        if case.others.is_empty() && undo.is_empty() && !gates {
            self.steps.extend(steps);
            self.wait_somewhere(case, new, Cause::Started);
            return Ok(());
        }
        steps.push(self.wait(case, new, Cause::Started));
        self.steps.extend(steps.into_iter().map(|step| Step { undo: undo.clone(), ..step }));
        if gates {
            self.open_gate(case, new, &undo);
        }
        self.retire(case, new);
        self.succeed(case, new)
    }

    /// Whether others wait for its end.
    fn is_job(&self, case: &Case<'a>) -> bool {
        self.awaited.get(case.name) == Some(&Awaited::Completed)
    }

    /// Whether another container is a former version of it that had an end as well.
    fn was_job(&self, case: &Case<'a>, (_, other): Found<'a>) -> bool {
        self.is_job(case) && other.container == *case.name && other.may_end
    }

    /// What another container has that this one needs.
    pub(super) fn holds(&self, case: &Case<'a>, found: Found<'a>) -> Option<Claim> {
        let may_hold = found.1.container != *case.name && self.is_active(found);
        may_hold.then(|| clash(case.wanted, found.1)).flatten()
    }

    /// What brings back what served before `new`: containers that are stopped for it, or else the former one that was
    /// stopped before, by an interrupted run or for another's port; from there it may not come back, which the run then
    /// tells. Nothing where nothing served.
    fn undo(&self, case: &Case<'a>, new: &str, stopped: &[&String]) -> Vec<Action> {
        let mut former = case.others.iter().filter(|found| !self.was_job(case, **found));
        let serves = former.clone().any(|found| self.is_active(*found));
        let was_stopped = |(name, observed): &&Found<'a>| {
            let has_ended = matches!(observed.run, RunState::Exited(_)) && !case.may_end();
            **name == case.base && (has_ended || self.stopped.contains(*name))
        };
        let stopped_before = former.find(was_stopped).filter(|_| !serves).map(|(name, _)| *name);
        let revived: Vec<&String> = stopped.iter().copied().chain(stopped_before).collect();
        if case.spec().update.on_failure == OnFailure::Stop || (revived.is_empty() && !serves) {
            return Vec::new();
        }
        // One that was taken off the network for `new` serves when it is back.
        let is_off = |(name, observed): &&Found<'a>| **name == case.base && observed.networks.is_empty();
        let off = case.others.iter().find(is_off).filter(|found| self.is_active(**found));
        let connect = off.into_iter().flat_map(|found| case.back(*found));
        let start = revived.into_iter().map(|name| Action::Start { name: name.clone() });
        clear(case, new).into_iter().chain(connect).chain(start).collect()
    }

    /// The container is good: the others of its name go, and it takes the name.
    pub(super) fn succeed(&mut self, case: &Case<'a>, right: &String) -> Result<(), Refusal> {
        for found in &case.others {
            let is_former = *found.0 == case.base;
            self.remove(case, *found, if is_former { Cause::Superseded } else { Cause::Leftover });
        }
        let is_replaced = *right != case.base || !case.others.is_empty();
        for (name, signal) in case.spec().joins.signals.iter().filter(|_| is_replaced) {
            let (name, signal) = (self.desired.engine_name(name), signal.clone());
            self.steps.push(case.step(Action::Signal { name, signal }, Cause::Tells(case.name.clone())));
        }
        if *right != case.base {
            self.refuse_foreign(&case.base)?;
            let action = Action::Rename { from: right.clone(), to: case.base.clone() };
            self.steps.push(case.step(action, Cause::Succeeded));
        }
        Ok(())
    }

    fn remove(&mut self, case: &Case<'a>, (name, observed): Found<'a>, cause: Cause) {
        if self.is_active((name, observed)) {
            let stop = Action::Stop { name: name.clone(), grace: observed.stop_grace };
            self.steps.push(case.step(stop, cause.clone()));
            self.stopped.insert(name.clone());
        }
        self.steps.push(case.step(Action::Remove { name: name.clone() }, cause));
    }

    /// A container that this one links to, or follows, and that is newer than its last start.
    fn replaced_dependency(&self, case: &Case<'a>, observed: &ObservedContainer) -> Option<ContainerName> {
        let mut followed = case.wanted.needs.iter().filter(|(_, need)| need.restart).map(|(name, _)| name);
        followed.find(|name| self.is_newer(name, observed)).cloned()
    }

    fn is_newer(&self, name: &ContainerName, than: &ObservedContainer) -> bool {
        let Some((name, _)) = self.desired.containers.get_key_value(name) else { return false };
        let right = self.case(name).right.map(|(_, right)| right);
        let is_later =
            |time: Option<jiff::Timestamp>| time.zip(than.started).is_some_and(|(time, started)| time > started);
        // With its end a network's namespace is another one.
        let is_joined = |other: &DesiredContainer| other.spec.joins.network == NetworkMode::Container(name.clone());
        let joins = self.desired.containers.get(&than.container).is_some_and(is_joined);
        let has_left = || self.restarted.contains(name) || is_later(right.and_then(|right| right.started));
        joins && has_left() || self.renewed.contains(name) || is_later(right.map(|right| right.created))
    }

    /// The wait for a container to be good: at once where another one needs it, else at the end of everything, where
    /// it costs no time.
    fn wait_somewhere(&mut self, case: &Case<'a>, name: &str, cause: Cause) {
        let wait = self.wait(case, name, cause);
        let is_needed = self.awaited.contains_key(case.name);
        if is_needed { &mut self.steps } else { &mut self.waits }.push(wait);
    }

    pub(super) fn wait(&self, case: &Case<'a>, name: &str, cause: Cause) -> Step {
        let update = &case.spec().update;
        let goal = match self.awaited.get(case.name) {
            Some(Awaited::Completed) => Goal::Completed,
            Some(Awaited::Ready) | None => Goal::Ready { healthy_for: update.healthy_for, may_end: case.may_end() },
        };
        let probe = match goal {
            Goal::Ready { .. } => update.probe.clone(),
            Goal::Completed => None,
        };
        case.step(Action::Await(Wait { name: name.to_owned(), goal, probe, timeout: update.timeout }), cause)
    }

    fn refuse_foreign(&self, name: &String) -> Result<(), Refusal> {
        if self.observed.foreign.contains_key(name) {
            return Err(Refusal::NameTaken { what: "a container", name: name.clone() });
        }
        Ok(())
    }
}

/// Why what ran before has to stop before the new one starts, if it has to: two at once must not claim one port, nor
/// write to the same files unless the manifest says that they may.
pub(super) fn stops_first(wanted: &DesiredContainer, former: &[Found<'_>]) -> Option<StopsFirst> {
    if let Some(claim) = former.iter().find_map(|(_, observed)| clash(wanted, observed)) {
        return Some(StopsFirst::Both(claim));
    }
    let spec = &wanted.spec;
    match spec.update.order {
        Some(Order::StartFirst | Order::Swap) => None,
        Some(Order::StopFirst) => Some(StopsFirst::Asked),
        None => {
            let mut written = spec.volumes.iter().filter(|(_, mount)| !mount.read_only && !is_the_kernels(mount));
            written.next().map(|(path, _)| StopsFirst::Writes(path.clone()))
        }
    }
}

/// Whether what is mounted is no file that two could spoil together: control groups, of which each has its own.
fn is_the_kernels(mount: &Mount) -> bool {
    matches!(&mount.source, MountSource::Host(path) if path.starts_with("/sys/"))
}

/// What takes a container away that did not become good.
pub(super) fn clear(case: &Case<'_>, new: &str) -> Vec<Action> {
    let name = new.to_owned();
    vec![Action::Stop { name: name.clone(), grace: case.spec().stop_grace }, Action::Remove { name }]
}
