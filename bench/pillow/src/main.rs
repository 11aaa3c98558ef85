//! A plate of 300 x 100 pixels out of each JPEG in a folder, by camhook's own files: `cut PICTURES PIXELS`.
//!
//! Prints a line for each picture, place and way, with its milliseconds of the processor, and writes the pixels of the plates to the folder
//! PIXELS, for comparison. `run.sh` makes the pictures, runs this and Pillow in turns, and adds it all up.

mod event {
    //! As in camhook.

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Pixels {
        pub(crate) x: u32,
        pub(crate) y: u32,
        pub(crate) width: u32,
        pub(crate) height: u32,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Size {
        pub(crate) width: u32,
        pub(crate) height: u32,
    }
}
mod steps;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    steps::measure()
}
