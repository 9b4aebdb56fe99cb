//! From bytes to commands: decoding, validation, sealing, and the intake state machine.
