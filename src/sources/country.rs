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

/// ISO 3166-1 alpha-3, each with its alpha-2.
const THREE_LETTERS: &str = "\
    abw=aw afg=af ago=ao aia=ai ala=ax alb=al and=ad are=ae arg=ar arm=am asm=as ata=aq atf=tf atg=ag aus=au aut=at \
    aze=az bdi=bi bel=be ben=bj bes=bq bfa=bf bgd=bd bgr=bg bhr=bh bhs=bs bih=ba blm=bl blr=by blz=bz bmu=bm bol=bo \
    bra=br brb=bb brn=bn btn=bt bvt=bv bwa=bw caf=cf can=ca cck=cc che=ch chl=cl chn=cn civ=ci cmr=cm cod=cd cog=cg \
    cok=ck col=co com=km cpv=cv cri=cr cub=cu cuw=cw cxr=cx cym=ky cyp=cy cze=cz deu=de dji=dj dma=dm dnk=dk dom=do \
    dza=dz ecu=ec egy=eg eri=er esh=eh esp=es est=ee eth=et fin=fi fji=fj flk=fk fra=fr fro=fo fsm=fm gab=ga gbr=gb \
    geo=ge ggy=gg gha=gh gib=gi gin=gn glp=gp gmb=gm gnb=gw gnq=gq grc=gr grd=gd grl=gl gtm=gt guf=gf gum=gu guy=gy \
    hkg=hk hmd=hm hnd=hn hrv=hr hti=ht hun=hu idn=id imn=im ind=in iot=io irl=ie irn=ir irq=iq isl=is isr=il ita=it \
    jam=jm jey=je jor=jo jpn=jp kaz=kz ken=ke kgz=kg khm=kh kir=ki kna=kn kor=kr kwt=kw lao=la lbn=lb lbr=lr lby=ly \
    lca=lc lie=li lka=lk lso=ls ltu=lt lux=lu lva=lv mac=mo maf=mf mar=ma mco=mc mda=md mdg=mg mdv=mv mex=mx mhl=mh \
    mkd=mk mli=ml mlt=mt mmr=mm mne=me mng=mn mnp=mp moz=mz mrt=mr msr=ms mtq=mq mus=mu mwi=mw mys=my myt=yt nam=na \
    ncl=nc ner=ne nfk=nf nga=ng nic=ni niu=nu nld=nl nor=no npl=np nru=nr nzl=nz omn=om pak=pk pan=pa pcn=pn per=pe \
    phl=ph plw=pw png=pg pol=pl pri=pr prk=kp prt=pt pry=py pse=ps pyf=pf qat=qa reu=re rou=ro rus=ru rwa=rw sau=sa \
    sdn=sd sen=sn sgp=sg sgs=gs shn=sh sjm=sj slb=sb sle=sl slv=sv smr=sm som=so spm=pm srb=rs ssd=ss stp=st sur=sr \
    svk=sk svn=si swe=se swz=sz sxm=sx syc=sc syr=sy tca=tc tcd=td tgo=tg tha=th tjk=tj tkl=tk tkm=tm tls=tl ton=to \
    tto=tt tun=tn tur=tr tuv=tv twn=tw tza=tz uga=ug ukr=ua umi=um ury=uy usa=us uzb=uz vat=va vct=vc ven=ve vgb=vg \
    vir=vi vnm=vn vut=vu wlf=wf wsm=ws yem=ye zaf=za zmb=zm zwe=zw";

/// The country of an alpha-3 code such as `POL`, in upper case; `None` where none follows.
pub(super) fn of_three_letters(code: &str) -> Option<String> {
    let code = code.trim().to_ascii_lowercase();
    THREE_LETTERS
        .split_ascii_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .find(|(three, _)| *three == code)
        .map(|(_, two)| two.to_ascii_uppercase())
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

    #[test]
    fn every_country_has_one_code_of_three_letters() {
        let mut countries: Vec<&str> = THREE_LETTERS
            .split_ascii_whitespace()
            .map(|pair| pair.split_once('=').unwrap().1)
            .collect();
        countries.sort_unstable();
        let assigned: Vec<&str> = ASSIGNED.split_ascii_whitespace().collect();
        assert_eq!(countries, assigned);
        for (code, country) in [
            ("POL", Some("PL")),
            ("svk", Some("SK")),
            ("SVN", Some("SI")),
            ("", None),
            ("XXX", None),
        ] {
            assert_eq!(of_three_letters(code).as_deref(), country, "{code}");
        }
    }
}
