//! Senders and targets that want to hurt, and one target that swallows everything.

mod black_hole; // nine targets do not feel the tenth
mod crowd; // ten thousand connections, and senders that never end
mod http2; // floods of frames
mod requests; // bodies and heads
mod targets; // answers
