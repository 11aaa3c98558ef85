//! Words and boxes that both dialects have.

use super::tree::Node;
use crate::event::{Area, Role, Unit, Vehicle};

/// A number that fits; `None` when it is missing.
pub(super) fn side(node: Node<'_>, name: &str) -> Option<i32> {
    node.value(name)?.parse().ok()
}

/// `rect` or `carRect` by two corners; `None` for a box without area, which is how devices write that there is none.
pub(super) fn rect(node: Node<'_>, name: &str, unit: Unit) -> Option<Area> {
    let rect = node.child(name)?;
    area(
        [
            side(rect, "x1")?,
            side(rect, "y1")?,
            side(rect, "x2")?,
            side(rect, "y2")?,
        ],
        unit,
    )
}

/// In the frame.
pub(super) fn area([xmin, ymin, xmax, ymax]: [i32; 4], unit: Unit) -> Option<Area> {
    let area = Area {
        xmin,
        ymin,
        xmax,
        ymax,
        unit,
        image: Role::FRAME,
    };
    (xmin < xmax && ymin < ymax).then_some(area)
}

/// A word that says something.
pub(super) fn word(node: Node<'_>, name: &str) -> Option<String> {
    node.value(name)
        .filter(|word| !word.eq_ignore_ascii_case("unknown"))
        .map(str::to_owned)
}

/// `carAttr` of a camera, `carAttribute` of a recorder. The model repeats the brand before an underscore.
pub(super) fn vehicle(told: Option<Node<'_>>, kind: &str, area: Option<Area>) -> Option<Vehicle> {
    let of = |name: &str| told.and_then(|told| word(told, name));
    let make = of("brand");
    let model =
        of("model").map(
            |model| match make.as_deref().and_then(|make| without(&model, make)) {
                Some(short) => short.to_owned(),
                None => model,
            },
        );
    let vehicle = Vehicle {
        kind: of(kind),
        area,
        make,
        model,
        color: of("color"),
        ..Vehicle::default()
    };
    let says = vehicle.kind.is_some()
        || vehicle.area.is_some()
        || vehicle.make.is_some()
        || vehicle.model.is_some()
        || vehicle.color.is_some();
    says.then_some(vehicle)
}

fn without<'t>(model: &'t str, make: &str) -> Option<&'t str> {
    let (front, rest) = model.split_at_checked(make.len())?;
    let rest = rest.strip_prefix('_')?;
    (front.eq_ignore_ascii_case(make) && !rest.is_empty()).then_some(rest)
}

/// What a target is, as a number on some firmware and as a word on other.
pub(super) fn class(node: Node<'_>) -> Option<String> {
    let told = node.value("targetType").or_else(|| {
        let picture = node.child("targetImageData")?;
        picture.value("targetType")
    })?;
    let class = match told.to_ascii_lowercase().as_str() {
        "1" | "person" => "person",
        "2" | "car" => "car",
        "4" | "motor" => "bike",
        "0" | "unknown" => return None,
        other => return Some(other.to_owned()),
    };
    Some(class.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn boxes_without_area_are_none() {
        for (corners, is_box) in [
            ("<x1>1</x1><y1>2</y1><x2>3</x2><y2>4</y2>", true),
            ("<x1>1</x1><y1>0</y1><x2>1</x2><y2>0</y2>", false),
            ("<x1>0</x1><y1>0</y1><x2>0</x2><y2>0</y2>", false),
            ("<x1>5</x1><y1>0</y1><x2>1</x2><y2>9</y2>", false),
            ("<x1>5</x1>", false),
            ("<x1>a</x1><y1>2</y1><x2>3</x2><y2>4</y2>", false),
        ] {
            let text = format!("<item><rect>{corners}</rect></item>");
            let tree = Tree::read(&text).unwrap();
            assert_eq!(
                rect(tree.root(), "rect", Unit::Pixels).is_some(),
                is_box,
                "{text}"
            );
        }
    }

    #[test]
    fn a_model_does_not_repeat_its_brand() {
        for (brand, model, expected) in [
            ("GMC", "GMC_SAVANA", "SAVANA"),
            ("Kia", "kia_Sportage", "Sportage"),
            ("Kia", "Kia_", "Kia_"),
            ("Kia", "Kiara", "Kiara"),
            ("Škoda", "Fabia", "Fabia"),
            ("", "Kia_Rio", "Kia_Rio"),
        ] {
            let text = format!("<carAttr><brand>{brand}</brand><model>{model}</model></carAttr>");
            let tree = Tree::read(&text).unwrap();
            let vehicle = vehicle(Some(tree.root()), "type", None).unwrap();
            assert_eq!(vehicle.model.as_deref(), Some(expected));
        }
    }
}
