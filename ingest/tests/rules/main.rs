//! Rule sets as people write them: both forms say the same, what is written is read again, and each mistake is found
//! where it stands.

mod forms;
mod found;
