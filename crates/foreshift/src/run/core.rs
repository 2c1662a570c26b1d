//! The engine's thread: takes records, commands and reports; records, handles and publishes; snapshots.
//!
//! Order matters here. An input is recorded before it is handled, a command is fsynced before it is carried
//! out, and a snapshot is taken between two batches: after the journal's segment is sealed, before the
//! command log is emptied. Whatever moment a kill comes at, a restart finds a snapshot, reads the sources on
//! from its offsets, discards what the journal holds beyond it, and carries out again the commands since.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration as Wait, Instant, SystemTime};

use anyhow::Context;
use foreshift_config::{Clock, ProcessConfig};
use foreshift_domain::command::{Command, CommandRefused, CommandResult};
use foreshift_domain::fallback::Fallback;
use foreshift_domain::{Duration, Input, ModelHealth, ModelUpdate, Timestamp};
use foreshift_engine::{Engine, Snapshot};
use foreshift_ingest::dead_letter::DeadLetters;
use foreshift_ingest::decode::Decoder;
use foreshift_ingest::intake::IntakeState;
use foreshift_ingest::journal::{Recorder, Retention, discard_after};
use foreshift_ingest::sequencer::{Outbox, Settings};
use foreshift_ingest::source::Batch;
use foreshift_ingest::source::push::PushSource;
use foreshift_ingest::{ClockMode, Intake};
use foreshift_predict::Model;
use foreshift_serve::CommandRequest;
use tokio::sync::watch;

use super::logs::LogBook;
use super::metrics::IngestMetrics;
use super::telemetry::{News, Telemetry, dead_letters};
use super::topics::Topics;
use super::{Inbox, MAX_REPORTS, Outlets, model, models, registry_of};
use crate::storage::{Checkpoint, CheckpointStore, CommandLog, Storage, write_durably};

/// How long the loop waits for records before it looks at everything else. Bounds what a command waits when idle.
const POLL: Wait = Wait::from_millis(20);
/// How often the clock moves when nothing comes in.
const CLOCK_EVERY: Duration = Duration::from_millis(100);
/// How long a stop goes on with what receivers had taken before it.
const REST: Wait = Wait::from_secs(2);
/// A batch whose prediction ticks take longer than this each is too slow to act on (rule 10).
const TICK_BUDGET: Wait = Wait::from_millis(500);

/// What the engine's thread is connected to.
pub(crate) struct Plumbing {
    pub(crate) storage: Storage,
    pub(crate) inbox: Inbox,
    pub(crate) outlets: Outlets,
    pub(crate) metrics: IngestMetrics,
    pub(crate) logs: LogBook,
    /// What reads Kafka decodes with this.
    pub(crate) decoder: Decoder,
    /// What receivers put in, where there are any.
    pub(crate) received: Option<PushSource>,
    /// Turns true once state is restored. Kafka has no part in it: without it, weights are still served.
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The engine and all that its thread owns.
pub(crate) struct Core {
    engine: Engine,
    intake: Intake,
    telemetry: Telemetry,
    dead_letters: Option<DeadLetters>,
    recorder: Option<Recorder>,
    checkpoints: CheckpointStore,
    command_log: CommandLog,
    inbox: Inbox,
    outlets: Outlets,
    outbox: Outbox,
    metrics: IngestMetrics,
    logs: LogBook,
    clock: Clock,
    registry: Option<PathBuf>,
    snapshot_every: Wait,
    snapshot_at: Instant,
    clock_at: Timestamp,
    slow: bool,
    stopping: watch::Receiver<bool>,
    storage: Storage,
}

impl Core {
    /// Restores what the storage holds, and connects to the sources.
    pub(crate) fn start(
        config: &ProcessConfig,
        fallback: Arc<Fallback>,
        plumbing: Plumbing,
    ) -> anyhow::Result<Self> {
        let Plumbing {
            storage,
            inbox,
            mut outlets,
            metrics,
            logs,
            decoder,
            received,
            ready,
            stopping,
        } = plumbing;
        outlets.write_to(Topics::connect(config)?);
        let epoch = storage.next_epoch()?;
        let checkpoints = storage.checkpoints();
        let command_log = storage.command_log()?;
        let restored = checkpoints.newest()?;
        let next_row = restored.as_ref().map_or(1, |checkpoint| checkpoint.journal_row);
        let recorder = open_journal(config, &storage, next_row)?;
        let (mut engine, intake, begun_with) = match &restored {
            Some(checkpoint) => {
                let (engine, intake) = restore(checkpoint, epoch, &fallback)?;
                (engine, intake, None)
            }
            None => {
                let chosen = model::load(config, &fallback)?;
                let update = model::update(&chosen, String::new())?;
                let (engine, intake) = fresh(config, epoch, &fallback, chosen.model);
                (engine, intake, Some(update))
            }
        };
        engine.give_samples(recorder.is_some());
        let mut core = Self {
            telemetry: Telemetry::new(config, received, intake.positions(), decoder)?,
            engine,
            intake,
            dead_letters: dead_letters(config)?,
            recorder,
            checkpoints,
            command_log,
            inbox,
            outlets,
            outbox: Outbox::default(),
            metrics,
            logs,
            clock: config.time.clock,
            registry: registry_of(config).map(Path::to_owned),
            snapshot_every: Wait::from_secs_f64(config.storage.snapshot_interval.as_secs_f64().max(0.1)),
            snapshot_at: Instant::now(),
            clock_at: Timestamp::MIN,
            slow: false,
            stopping,
            storage,
        };
        core.resume(begun_with, &fallback)?;
        tracing::info!(
            epoch,
            restored = restored.is_some(),
            commands = core.engine.counters().commands,
            "ready"
        );
        let _ = ready.send(true);
        Ok(core)
    }

    /// Brings a restored engine up to date: configuration and model of today, commands since the snapshot, the clock.
    fn resume(&mut self, begun_with: Option<ModelUpdate>, fallback: &Arc<Fallback>) -> anyhow::Result<()> {
        if begun_with.is_some() || self.engine.fallback().digest != fallback.digest {
            self.feed(Input::Fallback(Arc::clone(fallback)))?;
        }
        if let Some(begun_with) = begun_with {
            self.feed(Input::Model(Arc::new(begun_with)))?;
        }
        for command in self.command_log.read()? {
            self.feed(Input::Command(command))?;
        }
        if self.clock == Clock::Wall {
            self.feed(Input::Clock(wall()))?;
        }
        self.outlets.drain(&mut self.engine)?;
        self.outlets.publish(&self.engine);
        Ok(())
    }

    /// Runs until it is told to stop; leaves a snapshot.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        while !*self.stopping.borrow() {
            self.step()?;
        }
        // What a sender was told is taken must not be lost with the buffer.
        let until = Instant::now() + REST;
        while let Some(batch) = self.telemetry.rest(until) {
            self.take(batch)?;
        }
        self.outlets.drain(&mut self.engine)?;
        self.snapshot()?;
        self.outlets.publish(&self.engine);
        self.outlets.finish();
        self.telemetry.stop();
        Ok(())
    }

    fn take(&mut self, batch: Batch) -> anyhow::Result<()> {
        self.bury(&batch);
        self.intake.accept(batch, wall(), &mut self.outbox);
        self.feed_outbox()
    }

    /// One round: commands first, then records, then time.
    fn step(&mut self) -> anyhow::Result<()> {
        self.take_commands()?;
        self.take_reports()?;
        self.telemetry.hold_back(self.intake.ahead(wall()));
        let news = self.telemetry.next(self.intake.positions(), POLL);
        let (began, ticks) = (Instant::now(), self.engine.counters().ticks);
        match news {
            News::None => {}
            News::Connected(partitions) => self.intake.register(&partitions, wall()),
            News::Batch(batch) => self.take(batch)?,
        }
        self.judge_speed(began.elapsed(), self.engine.counters().ticks - ticks)?;
        self.move_clock()?;
        self.outlets.drain(&mut self.engine)?;
        if let Some(reason) = self.outlets.take_drift() {
            self.on_drift(&reason);
        }
        let now = self.now();
        self.outlets.show(self.logs.summaries(now));
        self.outlets.publish_if_due(&self.engine);
        self.metrics.set(
            self.intake.counters(),
            self.dead_letters.as_ref(),
            self.outlets.delivered(),
            self.telemetry.kafka_is_up(),
        );
        if self.snapshot_at.elapsed() >= self.snapshot_every {
            self.snapshot()?;
        }
        Ok(())
    }

    /// What could not be decoded goes to the dead-letter topic.
    fn bury(&self, batch: &Batch) {
        let Some(letters) = &self.dead_letters else { return };
        for run in &batch.runs {
            run.refused
                .iter()
                .for_each(|record| letters.undecodable(&run.partition, record));
        }
    }

    fn feed_outbox(&mut self) -> anyhow::Result<()> {
        let mut outbox = std::mem::take(&mut self.outbox);
        for refused in outbox.refused.drain(..) {
            if let (Some(letters), Some(key)) = (
                &self.dead_letters,
                self.intake.sequencer().key(refused.origin.partition),
            ) {
                letters.refused(key, &refused);
            }
        }
        for sequenced in &outbox.ordered {
            if let Some(recorder) = &mut self.recorder {
                let key = sequenced
                    .origin
                    .and_then(|origin| self.intake.sequencer().key(origin.partition));
                let origin = sequenced.origin.and_then(|origin| Some((key?, origin.offset)));
                recorder.record(&sequenced.input, origin)?;
            }
            if let Input::Log(event) = &sequenced.input {
                self.logs.count(event);
            }
            self.engine.handle(&sequenced.input);
            self.outlets.drain(&mut self.engine)?;
            self.record_served()?;
        }
        outbox.ordered.clear();
        self.outbox = outbox;
        Ok(())
    }

    /// Records an input and has the engine handle it.
    fn feed(&mut self, input: Input) -> anyhow::Result<()> {
        if let Some(recorder) = &mut self.recorder {
            recorder.record(&input, None)?;
        }
        self.engine.handle(&input);
        self.outlets.drain(&mut self.engine)?;
        self.record_served()
    }

    /// What a sample of predictions was made from goes into the journal, behind the input that brought them about.
    fn record_served(&mut self) -> anyhow::Result<()> {
        if let Some(recorder) = &mut self.recorder {
            for served in self.outlets.take_served() {
                recorder.record_served(&served)?;
            }
        }
        Ok(())
    }

    fn take_commands(&mut self) -> anyhow::Result<()> {
        while let Ok(request) = self.inbox.commands.try_recv() {
            let command = self.stamped(&request.command);
            if let Err(error) = self.command_log.append(&command) {
                tracing::error!(%error, "a command could not be kept, so it is not carried out");
                refuse(request);
                continue;
            }
            self.outlets.await_result(request);
            self.feed(Input::Command(command))?;
        }
        Ok(())
    }

    /// A command in the engine's time: spans that a person gave hold on recorded data too.
    fn stamped(&self, command: &Command) -> Command {
        let now = self.now();
        let shift = now.since(command.issued_at);
        let expires_at = command.expires_at.map(|at| at + shift);
        Command {
            issued_at: now,
            expires_at,
            ..command.clone()
        }
    }

    fn take_reports(&mut self) -> anyhow::Result<()> {
        // No more than can wait, so that gateways that report without end do not keep commands and ticks waiting.
        for _ in 0..MAX_REPORTS {
            let Ok(mut applied) = self.inbox.applied.try_recv() else {
                break;
            };
            applied.time = self.now();
            self.feed(Input::Applied(applied))?;
        }
        while let Ok(fallback) = self.inbox.fallback.try_recv() {
            self.intake.reconfigure(&fallback);
            self.outlets.reconfigure(&fallback);
            self.feed(Input::Fallback(fallback))?;
        }
        while let Ok(registered) = self.inbox.models.try_recv() {
            for input in registered.inputs(self.engine.fallback(), &self.engine.models()) {
                self.feed(input)?;
            }
        }
        Ok(())
    }

    /// The champion drifts: the one before it shall serve again.
    fn on_drift(&self, reason: &str) {
        let champion = self.engine.model().version().name;
        let Some(root) = &self.registry else {
            tracing::error!(%champion, "the model drifts, and without models_path there is none to go back to: {reason}");
            return;
        };
        match models::roll_back(root, &champion, reason, wall()) {
            Ok(to) => tracing::warn!(%champion, to = ?to, "the model drifts: rolled back: {reason}"),
            Err(error) => tracing::error!(%champion, "the model drifts, and there is no way back: {error:#}"),
        }
    }

    fn now(&self) -> Timestamp {
        match self.clock {
            Clock::Wall => wall(),
            Clock::Event => self.engine.now().max(Timestamp::from_micros(0)),
        }
    }

    /// Time passes without records too.
    fn move_clock(&mut self) -> anyhow::Result<()> {
        let now = wall();
        if now.since(self.clock_at) < CLOCK_EVERY {
            return Ok(());
        }
        self.clock_at = now;
        self.intake.advance(now, &mut self.outbox);
        self.feed_outbox()?;
        self.outlets.touch();
        Ok(())
    }

    /// Rule 10: predictions that take too long are not used until they are fast again.
    fn judge_speed(&mut self, took: Wait, ticks: u64) -> anyhow::Result<()> {
        let Ok(ticks) = u32::try_from(ticks) else {
            return Ok(());
        };
        if self.clock == Clock::Event || ticks == 0 {
            return Ok(());
        }
        let slow = took / ticks > TICK_BUDGET;
        if slow != self.slow {
            self.slow = slow;
            let reason = format!("a prediction tick took {} ms", (took / ticks).as_millis());
            self.feed(Input::ModelHealth(ModelHealth {
                usable: !slow,
                reason,
            }))?;
        }
        Ok(())
    }

    fn snapshot(&mut self) -> anyhow::Result<()> {
        let mut journal_row = 1;
        if let Some(recorder) = &mut self.recorder {
            recorder.seal().context("sealing the journal")?;
            journal_row = recorder.next_seq();
        }
        let checkpoint = Checkpoint {
            engine: self.engine.snapshot()?.to_bytes()?,
            intake: postcard::to_stdvec(&self.intake.state())?,
            journal_row,
        };
        self.checkpoints.write(&checkpoint)?;
        if let Err(error) = self.logs.save() {
            tracing::warn!(%error, "templates of log lines are not kept");
        }
        let models = serde_json::to_vec_pretty(&self.engine.models())?;
        write_durably(&self.storage.models_file(), &models)?;
        self.command_log.clear()?;
        self.outlets.flush()?;
        self.snapshot_at = Instant::now();
        Ok(())
    }
}

fn open_journal(
    config: &ProcessConfig,
    storage: &Storage,
    next_row: u64,
) -> anyhow::Result<Option<Recorder>> {
    if !config.storage.journal.enabled {
        return Ok(None);
    }
    let dir = storage.journal_dir();
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    discard_after(&dir, next_row.saturating_sub(1))?;
    let age = Wait::from_secs_f64(config.storage.journal.retention.as_secs_f64());
    Ok(Some(Recorder::open(
        &dir,
        next_row,
        Retention {
            max_bytes: None,
            max_age: Some(age),
        },
    )?))
}

fn restore(checkpoint: &Checkpoint, epoch: u64, fallback: &Fallback) -> anyhow::Result<(Engine, Intake)> {
    let engine = Engine::restore(&Snapshot::from_bytes(&checkpoint.engine)?, epoch)?;
    let state: IntakeState =
        postcard::from_bytes(&checkpoint.intake).context("the snapshot's intake is damaged")?;
    Ok((engine, Intake::restore(state, fallback, wall())))
}

fn fresh(config: &ProcessConfig, epoch: u64, fallback: &Arc<Fallback>, model: Model) -> (Engine, Intake) {
    let engine = Engine::new(epoch, Arc::clone(fallback), model);
    let settings = Settings {
        clock: match config.time.clock {
            Clock::Wall => ClockMode::Wall,
            Clock::Event => ClockMode::Event,
        },
        bucket: fallback.timing.bucket,
        lateness: config.time.lateness,
        max_future: config.time.max_future,
        idle_timeout: config.time.idle_timeout,
    };
    (engine, Intake::new(settings, fallback))
}

fn refuse(request: CommandRequest) {
    let verdict = Err(CommandRefused::NotKept);
    let _ = request.reply.send(CommandResult {
        request_id: request.command.request_id,
        verdict,
    });
}

/// The wall clock.
pub(crate) fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
