//! Carrying out what is due, in order of time: ends of buckets, prediction ticks, looks at routes.
//! At the same time buckets close first, then the tick runs; looks that were due earlier come before.

use std::collections::BTreeSet;

use foreshift_domain::decision::Cause;
use foreshift_domain::{RouteName, Timestamp};
use foreshift_policy::RouteState;

use crate::engine::Engine;

impl Engine {
    /// The clock reaches `now`: looks that are due happen, in order of time. It never goes back.
    pub(crate) fn advance_clock(&mut self, now: Timestamp) {
        if self.shared.now == Timestamp::MIN && now > Timestamp::MIN {
            self.begin(now);
        }
        while let Some((time, route)) = self
            .shared
            .looks
            .first()
            .cloned()
            .filter(|(time, _)| *time <= now)
        {
            self.shared.looks.remove(&(time, route.clone()));
            self.shared.now = self.shared.now.max(time);
            let cause = if self.expire_overrides(&route) {
                Cause::Expiry
            } else {
                Cause::Step
            };
            self.plan_route(&route, cause, None);
        }
        self.shared.now = self.shared.now.max(now);
    }

    /// Time begins: until now nothing could be planned, since a plan is valid until some time.
    fn begin(&mut self, now: Timestamp) {
        self.shared.now = now;
        let names: Vec<RouteName> = self.routes.keys().cloned().collect();
        for name in &names {
            if let Some(route) = self.routes.get_mut(name) {
                route.state = RouteState::new(&route.config, now);
            }
            self.plan_route(name, Cause::Start, None);
        }
    }

    /// Event time is complete up to `to`: buckets close and prediction ticks run. The clock is never behind.
    pub(crate) fn advance_watermark(&mut self, to: Timestamp) {
        if to <= self.shared.watermark {
            return;
        }
        loop {
            let close = self
                .shared
                .due
                .first()
                .map(|(end, _)| *end)
                .filter(|end| *end <= to);
            let tick = self.next_tick(to);
            match (close, tick) {
                (Some(end), tick) if tick.is_none_or(|tick| end <= tick) => self.close_buckets(end),
                (_, Some(tick)) => {
                    self.advance_clock(tick);
                    self.shared.watermark = self.shared.watermark.max(tick);
                    self.run_tick(tick);
                    self.shared.next_tick = Some(tick + self.shared.fallback.timing.tick);
                }
                _ => break,
            }
        }
        self.shared.watermark = to;
    }

    /// The next prediction tick up to `to`. While no target is known, ticks would find nothing: they are left
    /// out until the next bucket, and counted, so that a gap of a year in the journal costs no more than a day.
    fn next_tick(&mut self, to: Timestamp) -> Option<Timestamp> {
        let step = self.shared.fallback.timing.tick;
        let mut tick = self.shared.next_tick?;
        if tick > self.shared.groups.newest_signal + self.shared.fallback.timing.forget_after {
            let wake = self.shared.due.first().map_or(to, |(end, _)| *end).min(to);
            let left_out = (wake.since(tick).as_micros().max(0)) / step.as_micros().max(1);
            tick = tick + step * left_out;
            self.shared.counters.idle_ticks += left_out.unsigned_abs();
            self.shared.next_tick = Some(tick);
        }
        (tick <= to).then_some(tick)
    }

    /// Closes all buckets that end at `end`, then looks at the routes whose targets changed.
    fn close_buckets(&mut self, end: Timestamp) {
        self.advance_clock(end);
        let mut changed = BTreeSet::new();
        while let Some((_, target)) = self.shared.due.first().cloned().filter(|(time, _)| *time == end) {
            self.shared.due.remove(&(end, target.clone()));
            self.close_target(&target, end, &mut changed);
        }
        self.plan_changed(&changed, Cause::Health);
    }

    pub(crate) fn plan_changed(&mut self, routes: &BTreeSet<RouteName>, cause: Cause) {
        for route in routes {
            self.plan_route(route, cause, None);
        }
    }
}
