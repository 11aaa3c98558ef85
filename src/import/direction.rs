//! The protocol dot: per camera, only what moves in a range of directions.

use super::forward::{block, document, target_of};
use super::page::{Page, Route};
use super::settings::{Settings, is_public, literal, quoted};
use super::systems::READS;
use super::{File, ImportError, Old};

/// One destination for one range, and the cameras that have it.
struct Way {
    cameras: Vec<String>,
    start: i32,
    end: i32,
    destination: String,
}

pub(super) fn write(
    old: &Old,
    settings: &mut Settings<'_>,
    page: &mut Page,
) -> Result<(), ImportError> {
    let file = old.direction.as_ref().ok_or(ImportError::NoDirection)?;
    let with_files = settings.is_on("SEND_FILE", "whether targets below are sent pictures");
    for (n, way) in read(file, page)?.iter().enumerate() {
        let name = format!("direction-{}", n + 1);
        let url = if is_public(&way.destination) {
            quoted(&way.destination)
        } else {
            let variable = format!("DOT_URL_{}", n + 1);
            page.note(format!(
                "{}: the destination of {} holds a secret: set {variable} to it, and the file need not be kept",
                file.name,
                way.cameras.join(", ")
            ));
            super::settings::reference(&variable)
        };
        let json = document(
            &target_of(Some(&way.destination)),
            &way.holds("read.direction"),
        );
        let body = if with_files {
            let plates: String = (1..4).map(later_plate).collect();
            format!(
                "multipart:\n  json: |-    # Stream's own, with the results that are in range\n{}\
                 \x20 upload: \"{{{{ images.vehicle or images.frame }}}}\"\n\
                 \x20 original: \"{{{{ images.frame if images.vehicle }}}}\"\n\
                 \x20 plate_img: \"{{{{ images.plate }}}}\"\n{plates}",
                block(&json, 4)
            )
        } else {
            format!(
                "form:\n  json: |-    # Stream's own, with the results that are in range\n{}",
                block(&json, 4)
            )
        };
        page.target(
            &name,
            &format!("timeout: 5s\nhttp:\n  url: {url}\n{}", block_as_is(&body)),
        );
        let ids: Vec<String> = way.cameras.iter().map(|id| literal(id)).collect();
        let when = format!(
            "{READS} and event.camera.id in [{}] and {}",
            ids.join(", "),
            way.any()
        );
        page.route(&Route {
            name: &format!("{} in range", way.cameras.join(", ")),
            each_plate: false,
            when: Some(&when),
            steps: &[],
            to: &name,
        });
    }
    page.note(format!(
        "{} is not read any more: change the routes below, which is loaded at once too",
        file.name
    ));
    page.gone("a direction that is told as a text or with decimals counts");
    page.gone("of several rows for one camera all count");
    page.gone("what a destination refuses for good is not repeated by Stream for ever");
    Ok(())
}

fn later_plate(n: usize) -> String {
    format!(
        "  plate_img_{}: \"{{{{ (images.list | selectattr('item', 'eq', 'plates/{n}') | selectattr('role', 'eq', 'plate') | list)[0] }}}}\"\n",
        n + 1
    )
}

fn block_as_is(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

impl Way {
    /// Whether one direction is in range, from the start up to the end, through 0 where the start is the greater.
    fn holds(&self, direction: &str) -> String {
        let Self { start, end, .. } = self;
        if start <= end {
            format!("{start} <= {direction} <= {end}")
        } else {
            format!("{direction} >= {start} or {direction} <= {end}")
        }
    }

    /// Whether any of the event's is.
    fn any(&self) -> String {
        let Self { start, end, .. } = self;
        let told = "event.plates | selectattr('direction', 'number')";
        if start <= end {
            format!(
                "{told} | selectattr('direction', 'ge', {start}) | selectattr('direction', 'le', {end}) | list"
            )
        } else {
            format!(
                "({told} | selectattr('direction', 'ge', {start}) | list or {told} | selectattr('direction', 'le', {end}) | list)"
            )
        }
    }
}

/// Rows with the same range and destination are one way.
fn read(file: &File, page: &mut Page) -> Result<Vec<Way>, ImportError> {
    let unreadable = |line: usize, what: String| ImportError::Unreadable {
        file: file.name.clone(),
        line,
        what,
    };
    let text = file.text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let head = reader
        .headers()
        .map_err(|error| unreadable(1, error.to_string()))?
        .clone();
    let column = |name: &str| {
        let found = head
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name));
        found.ok_or_else(|| unreadable(1, format!("there is no column `{name}`")))
    };
    let columns = [
        column("CameraID")?,
        column("StartDOT")?,
        column("EndDOT")?,
        column("Destination")?,
    ];
    let mut ways: Vec<Way> = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| unreadable(1, error.to_string()))?;
        let line = row
            .position()
            .map_or(0, |position| position.line() as usize);
        let [camera, start, end, destination] = columns.map(|column| row.get(column).unwrap_or(""));
        if [camera, start, end, destination]
            .iter()
            .all(|cell| cell.is_empty())
        {
            continue;
        }
        let (Ok(start), Ok(end)) = (start.parse(), end.parse()) else {
            page.note(format!(
                "{}, line {line}: `{start}` to `{end}` is no range of degrees, and the row was left out",
                file.name
            ));
            continue;
        };
        let same =
            |way: &&mut Way| way.destination == destination && (way.start, way.end) == (start, end);
        match ways.iter_mut().find(same) {
            Some(way) if way.cameras.iter().any(|known| known == camera) => {}
            Some(way) => way.cameras.push(camera.to_owned()),
            None => ways.push(Way {
                cameras: vec![camera.to_owned()],
                start,
                end,
                destination: destination.to_owned(),
            }),
        }
    }
    Ok(ways)
}
