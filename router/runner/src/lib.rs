//! Runs the stages over the log: workers, ticks, snapshots, followers, replay.
