//! Countries by the region codes of vendors.

/// ISO 3166-1 alpha-2, as assigned in 2025.
const ASSIGNED: &str = "\
    ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz \
    ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi fj fk fm fo fr \
    ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp \
    ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt \
    mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw \
    sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz \
    ua ug um us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw";

/// The country of a region code such as `us-ca` or `it`, in upper case; `None` where none follows.
pub(super) fn of_region(code: &str) -> Option<String> {
    let country = code.split(['-', '_']).next()?.trim().to_ascii_lowercase();
    match country.as_str() {
        "uk" => Some("GB".to_owned()), // reserved for it, and widely written
        country => ASSIGNED
            .split_ascii_whitespace()
            .any(|assigned| assigned == country)
            .then(|| country.to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_follows_from_a_code_or_its_prefix() {
        for (code, country) in [
            ("it", Some("IT")),
            ("us-ca", Some("US")),
            ("AU_NSW", Some("AU")),
            ("uk", Some("GB")),
            ("", None),
            ("eu", None),
            ("usa", None),
            ("ad ae", None),
        ] {
            assert_eq!(of_region(code).as_deref(), country, "{code}");
        }
        assert_eq!(ASSIGNED.split_ascii_whitespace().count(), 249);
    }
}
