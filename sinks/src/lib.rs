//! What follows the events: the Store port and its embedded tables.
