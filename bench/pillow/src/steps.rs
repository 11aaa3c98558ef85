//! What is measured.

#[path = "../../../src/steps/encode.rs"]
#[expect(dead_code, reason = "only JPEG is measured")]
mod encode;
#[path = "../../../src/steps/jpeg/mod.rs"]
#[expect(dead_code, unused_imports, reason = "only parts are measured")]
mod jpeg;

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;

use image::DynamicImage;
use rustix::time::{ClockId, clock_gettime};

use crate::event::Pixels;
use encode::{Format, Quality};
use jpeg::Jpeg;

const RUNS: usize = 15;

pub(crate) fn measure() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(pictures), Some(pixels)) = (arguments.next(), arguments.next()) else {
        return Err("cut PICTURES PIXELS".into());
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(pictures)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        let bytes = fs::read(&path)?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let whole = image::load_from_memory(&bytes)?;
        let (width, height) = (whole.width(), whole.height());
        for (place, x, y) in [
            ("top", width / 2, height / 16),
            ("middle", width / 2, height / 2),
            ("worst", width - 300, height - 100),
        ] {
            let plate = Pixels {
                x,
                y,
                width: 300,
                height: 100,
            };
            cut(&bytes, plate).save(pixels.join(format!("{name}-{place}.png")))?;
            print(&name, place, "camhook", || {
                let quality = Quality::default();
                Format::Jpeg
                    .write(&cut(&bytes, plate), quality)
                    .map(|bytes| bytes.len())
            });
            print(&name, place, "whole", || whole_and_cut(&bytes, plate));
            print(&name, place, "camhook-decode", || cut(&bytes, plate));
            // All codes up to where the plate's last pixel lies, and a block of pixels.
            let last = Pixels {
                x: x + 299,
                y: y + 99,
                width: 1,
                height: 1,
            };
            if Jpeg::open(&bytes).is_ok() {
                print(&name, place, "entropy", || cut(&bytes, last));
            }
        }
    }
    Ok(())
}

/// As the album does it.
fn cut(bytes: &[u8], plate: Pixels) -> DynamicImage {
    let part = Jpeg::open(bytes).and_then(|jpeg| jpeg.parts(&[plate]));
    match part {
        Ok(mut part) => part.pictures.remove(0),
        Err(_) => {
            let whole = image::load_from_memory(bytes).expect("it was decoded before");
            whole.crop_imm(plate.x, plate.y, plate.width, plate.height)
        }
    }
}

/// With nothing but the `image` crate.
fn whole_and_cut(bytes: &[u8], plate: Pixels) -> Vec<u8> {
    let whole = image::load_from_memory(bytes).expect("it was decoded before");
    let cut = whole.crop_imm(plate.x, plate.y, plate.width, plate.height);
    let mut written = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut written, 90);
    cut.write_with_encoder(encoder)
        .expect("memory takes anything");
    written
}

/// The median, in milliseconds of the processor, so that whatever else runs counts little.
fn print<T>(name: &str, place: &str, way: &str, run: impl Fn() -> T) {
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = milliseconds();
            black_box(run());
            milliseconds() - start
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name} {place} {way} {}", times[RUNS / 2]);
}

fn milliseconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
