//! The photo of somebody who walks by, drawn like the others: nobody's face, and true boxes.

use bytes::Bytes;

use super::scene::{Canvas, SIZE};
use crate::event::Pixels;

/// One frame with one person, boxes in pixels of the frame, all pictures as JPEG.
pub(super) struct Walker {
    pub(super) frame: Bytes,
    pub(super) body: Pixels,
    pub(super) body_picture: Bytes,
    pub(super) face: Pixels,
    pub(super) face_picture: Bytes,
}

impl Walker {
    pub(super) fn draw() -> Self {
        let mut canvas = Canvas::landscape();
        let body = Pixels {
            x: 560,
            y: 220,
            width: 160,
            height: 440,
        };
        let face = Pixels {
            x: 600,
            y: 232,
            width: 80,
            height: 96,
        };
        canvas.person(body, face);
        let whole = Pixels {
            x: 0,
            y: 0,
            width: SIZE.width,
            height: SIZE.height,
        };
        Self {
            frame: canvas.jpeg(whole),
            body_picture: canvas.jpeg(body),
            face_picture: canvas.jpeg(face),
            body,
            face,
        }
    }
}

impl Canvas {
    fn person(&mut self, body: Pixels, face: Pixels) {
        let (coat, trousers, skin, hair) =
            ([60, 92, 70], [46, 48, 60], [214, 170, 140], [70, 50, 36]);
        let shoulders = face.y + face.height;
        let hips = shoulders + 150;
        self.fill((body.x, shoulders), (body.width, 150), coat);
        for leg in [body.x + 30, body.x + 90] {
            self.fill((leg, hips), (40, body.y + body.height - hips), trousers);
        }
        self.fill((face.x, body.y), (face.width, face.height), hair);
        self.fill(
            (face.x + 6, face.y + 16),
            (face.width - 12, face.height - 16),
            skin,
        );
        for eye in [face.x + 18, face.x + 50] {
            self.fill((eye, face.y + 40), (12, 8), [30, 30, 36]);
        }
        self.fill((face.x + 26, face.y + 72), (28, 6), [150, 70, 70]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_are_as_large_as_their_boxes() {
        let walker = Walker::draw();
        for (bytes, pixels) in [
            (&walker.body_picture, walker.body),
            (&walker.face_picture, walker.face),
        ] {
            let image = image::load_from_memory(bytes).unwrap();
            let size = (image.width(), image.height());
            assert_eq!(size, (pixels.width, pixels.height));
        }
    }
}
