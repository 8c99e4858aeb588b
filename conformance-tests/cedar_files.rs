//! The Cedar Clinic's claims, acknowledgements and remittances as X12 files, one a day and payer.

use rust_decimal::Decimal;

/// A file of one interchange and one set.
pub(crate) struct File<'f> {
    pub(crate) sender: &'f str,
    pub(crate) receiver: &'f str,
    pub(crate) control: u32,
    /// Functional group, set and version.
    pub(crate) kind: [&'f str; 3],
    pub(crate) day: String,
    /// Segments between ST and SE.
    pub(crate) body: Vec<String>,
}

impl File<'_> {
    pub(crate) fn text(&self) -> String {
        let [group, set, version] = self.kind;
        let (day, control) = (&self.day, self.control);
        let short = &day[2..];
        let count = self.body.len() + 2;
        let body: String = self.body.iter().map(|segment| format!("{segment}~\n")).collect();
        let version_of_set = if set == "835" { String::new() } else { format!("*{version}") };
        format!(
            "ISA*00*          *00*          *ZZ*{:<15}*ZZ*{:<15}*{short}*0930*^*00501*{control:09}*0*P*:~\n\
             GS*{group}*{}*{}*{day}*0930*{control}*X*{version}~\nST*{set}*0001{version_of_set}~\n{body}\
             SE*{count}*0001~\nGE*1*{control}~\nIEA*1*{control:09}~\n",
            self.sender, self.receiver, self.sender, self.receiver
        )
    }
}

/// A claim of Cedar Clinic: number, patient, payer, day of service and of sending, charge of each line,
/// frequency, number that it follows.
pub(crate) struct Sent<'s>(&'s str, u32, &'s str, &'s str, &'s str, &'s [&'s str], &'s str, &'s str);

const PAYERS: [(&str, &str); 3] =
    [("P1", "ASPEN HEALTH PLAN"), ("P2", "BIRCH MUTUAL"), ("P3", "SUPPLEMENT OF THE CEDARS")];

fn payer_name(id: &str) -> &'static str {
    PAYERS.iter().find(|one| one.0 == id).map_or("", |one| one.1)
}

/// Each patient has services of their own, so that a contract can price one of them.
pub(crate) fn service_code(patient: u32, line: usize) -> String {
    format!("9{patient:03}{line}")
}

pub(crate) fn claim(sent: &Sent<'_>, control: u32) -> File<'static> {
    let Sent(number, patient, payer, service, day, charges, frequency, follows) = *sent;
    let total: Decimal = charges.iter().map(|charge| charge.parse::<Decimal>().expect("money")).sum();
    let name = payer_name(payer);
    let is_second = payer == "P3";
    let mut body = vec![
        format!("BHT*0019*00*B{number}*{day}*{}*CH", if number == "C10" { "2330" } else { "0930" }),
        "NM1*41*2*CEDAR CLINIC*****46*CEDAR".into(),
        "PER*IC*BILLING*TE*3035550100".into(),
        format!("NM1*40*2*{name}*****46*{payer}"),
        "HL*1**20*1".into(),
    ];
    body.extend((number == "X1").then(|| "CUR*85*CAD".to_owned()));
    body.extend([
        "NM1*85*2*CEDAR CLINIC*****XX*1234567893".to_owned(),
        "N3*12 CEDAR STREET".into(),
        "N4*DENVER*CO*802020001".into(),
        "REF*EI*841234567".into(),
        "HL*2*1*22*0".into(),
        format!("SBR*{}*18*******CI", if is_second { "S" } else { "P" }),
        format!("NM1*IL*1*FERN{patient}*ADA****MI*{payer}M{patient}"),
        "N3*5 OAK ROAD".into(),
        "N4*DENVER*CO*80203".into(),
        "DMG*D8*19800214*F".into(),
        format!("NM1*PR*2*{name}*****PI*{payer}"),
        format!("CLM*{number}*{total}***11:B:{frequency}*Y*A*Y*Y"),
    ]);
    if !follows.is_empty() {
        body.push(format!("REF*F8*{follows}"));
    }
    body.push("HI*ABK:J029".into());
    let rendering =
        if [2, 8, 9].contains(&patient) { "ELM*TEST****XX*1678901236" } else { "OAK*TEST****XX*1245319599" };
    body.push(format!("NM1*82*1*{rendering}"));
    // Elsewhere the services were given where the bill comes from.
    if patient == 3 {
        body.extend(
            ["NM1*77*2*CEDAR CLINIC, MAIN STREET", "N3*12 CEDAR STREET", "N4*DENVER*CO*802020001"]
                .map(str::to_owned),
        );
    }
    if is_second {
        body.extend([
            "SBR*P*18*******CI".to_owned(),
            "AMT*D*200".to_owned(),
            "OI***Y***Y".to_owned(),
            format!("NM1*IL*1*FERN{patient}*ADA****MI*P1M{patient}"),
            "NM1*PR*2*ASPEN HEALTH PLAN*****PI*P1".to_owned(),
        ]);
    }
    for (n, charge) in charges.iter().enumerate() {
        let line = n + 1;
        body.extend([
            format!("LX*{line}"),
            format!("SV1*HC:{}*{charge}*UN*1***1", service_code(patient, line)),
            format!("DTP*472*D8*{service}"),
            format!("REF*6R*{number}L{line}"),
        ]);
    }
    let receiver = PAYERS.iter().find(|one| one.0 == payer).map_or("", |one| one.0);
    let day = day.to_owned();
    File { sender: "CEDAR", receiver, control, kind: ["HC", "837", "005010X222A1"], day, body }
}

/// A decision: number, status, payer's number, patient's share, and for each line charge, paid and CAS.
struct Decided<'d>(&'d str, &'d str, &'d str, &'d str, &'d [(&'d str, &'d str, &'d [&'d str])]);

fn remittance(
    payer: &'static str,
    day: &'static str,
    control: u32,
    paid: &str,
    all: &[Decided<'_>],
    plb: &str,
) -> File<'static> {
    let mut body = Vec::new();
    for Decided(number, status, own, share, lines) in all {
        let sum = |n: usize| -> Decimal {
            let of = |line: &(&str, &str, &[&str])| [line.0, line.1][n].parse::<Decimal>().expect("money");
            lines.iter().map(of).sum()
        };
        body.push(format!("CLP*{number}*{status}*{}*{}*{share}*12*{own}*11*1", sum(0), sum(1)));
        body.push("NM1*QC*1*FERN*ADA".into());
        let patient = number.chars().filter(char::is_ascii_digit).collect::<String>();
        let patient: u32 = patient.parse().expect("a number");
        for (n, (charge, paid, reasons)) in lines.iter().enumerate() {
            let line = n + 1;
            body.push(format!("SVC*HC:{}*{charge}*{paid}**1", service_code(patient, line)));
            let (remarks, reasons): (Vec<&str>, Vec<&str>) =
                reasons.iter().partition(|one| one.starts_with("LQ"));
            body.extend(reasons.iter().map(|reason| format!("CAS*{reason}")));
            body.push(format!("REF*6R*{number}L{line}"));
            body.extend(remarks.into_iter().map(str::to_owned));
        }
    }
    if !plb.is_empty() {
        body.push(format!("PLB*1234567893*20261231*{plb}"));
    }
    remittance_of(payer, day, control, paid, body)
}

/// A remittance with these segments behind its header.
pub(crate) fn remittance_of(
    payer: &'static str,
    day: &str,
    control: u32,
    paid: &str,
    segments: Vec<String>,
) -> File<'static> {
    let name = payer_name(payer);
    let mut body = vec![
        format!("BPR*I*{paid}*C*CHK************{day}"),
        format!("TRN*1*EFT{control}*1{payer}5678901"),
        format!("DTM*405*{day}"),
        format!("N1*PR*{name}*XV*{payer}"),
        "N3*1 PLAZA".into(),
        "N4*DENVER*CO*80202".into(),
        "PER*BL*EDI*TE*3035550199".into(),
        "N1*PE*CEDAR CLINIC*XX*1234567893".into(),
        "REF*TJ*841234567".into(),
        "LX*1".into(),
    ];
    body.extend(segments);
    File {
        sender: payer,
        receiver: "CEDAR",
        control,
        kind: ["HP", "835", "005010X221A1"],
        day: day.to_owned(),
        body,
    }
}

/// C4 was rejected.
fn rejection() -> File<'static> {
    let body = [
        "BHT*0085*08*ACK4*20260121*0200*TH",
        "HL*1**20*1",
        "NM1*PR*2*BIRCH MUTUAL*****PI*P2",
        "TRN*1*T301",
        "DTP*050*D8*20260121",
        "DTP*009*D8*20260121",
        "HL*2*1*21*1",
        "NM1*41*2*CEDAR CLINIC*****46*CEDAR",
        "TRN*2*BC4",
        "STC*A1:19:PR*20260121*WQ*150",
        "HL*3*2*19*1",
        "NM1*85*2*CEDAR CLINIC*****XX*1234567893",
        "HL*4*3*PT",
        "NM1*QC*1*FERN4*ADA****MI*P2M4",
        "TRN*2*C4",
        "STC*A7:562:85*20260121*U*150********BILLING PROVIDER NPI",
    ];
    File {
        sender: "P2",
        receiver: "CEDAR",
        control: 900,
        kind: ["HN", "277", "005010X214"],
        day: "20260121".to_owned(),
        body: body.iter().map(|segment| (*segment).to_owned()).collect(),
    }
}

/// The claims of the Cedar Clinic in the order of their sending.
pub(crate) const SENT: [Sent<'_>; 19] = [
    Sent("C1", 1, "P2", "20260105", "20260107", &["200"], "1", ""),
    Sent("C2", 2, "P2", "20260106", "20260108", &["300"], "1", ""),
    Sent("C3", 3, "P1", "20260107", "20260109", &["300", "200"], "1", ""),
    Sent("C6", 6, "P2", "20260113", "20260115", &["250"], "1", ""),
    Sent("C5", 5, "P1", "20260112", "20260114", &["400"], "1", ""),
    Sent("C7", 7, "P1", "20260115", "20260116", &["0"], "1", ""),
    Sent("C6V", 6, "P2", "20260113", "20260119", &["250"], "8", "C6"),
    Sent("C4", 4, "P2", "20260108", "20260120", &["150"], "1", ""),
    Sent("C8", 8, "P2", "20260120", "20260122", &["600"], "1", ""),
    Sent("C4", 4, "P2", "20260108", "20260123", &["150"], "1", ""),
    Sent("C3S", 3, "P3", "20260107", "20260126", &["300", "200"], "1", ""),
    Sent("C9", 9, "P1", "20260126", "20260128", &["800"], "1", ""),
    Sent("C10", 10, "P2", "20260130", "20260131", &["180"], "1", ""),
    Sent("C5R", 5, "P1", "20260112", "20260205", &["420"], "7", "P1-5"),
    Sent("O1", 11, "P1", "20251015", "20251017", &["1000"], "1", ""),
    Sent("O2", 12, "P2", "20251220", "20251222", &["500"], "1", ""),
    Sent("N1", 13, "P2", "20260316", "20260318", &["220"], "1", ""),
    Sent("N2", 14, "P1", "20260220", "20260224", &["330"], "1", ""),
    Sent("X1", 15, "P2", "20260121", "20260122", &["90"], "1", ""),
];

/// The files of Cedar Clinic: first what it sent, then what it was answered.
pub(crate) fn cedar() -> Vec<String> {
    all().iter().map(File::text).collect()
}

/// Those that came until the end of January, and those that came later, day by day.
pub(crate) fn halves() -> [Vec<String>; 2] {
    let (mut january, mut later) = (Vec::new(), Vec::new());
    let mut files = all();
    files.sort_by(|one, other| one.day.cmp(&other.day));
    for file in files {
        let half = if file.day.as_str() < "20260201" { &mut january } else { &mut later };
        half.push(file.text());
    }
    [january, later]
}

fn all() -> Vec<File<'static>> {
    let mut files: Vec<File<'_>> =
        SENT.iter().enumerate().map(|(n, one)| claim(one, 100 + u32::try_from(n).expect("few"))).collect();
    files.push(rejection());
    let e1: &[(&str, &str, &[&str])] = &[("200", "120", &["CO*45*50", "PR*2*30"])];
    files.push(remittance("P2", "20260121", 201, "120", &[Decided("C1", "1", "P2-1", "30", e1)], ""));
    files.push(remittance(
        "P2",
        "20260123",
        202,
        "0",
        &[Decided("C2", "1", "P2-2", "", &[("300", "0", &["CO*197*300"])])],
        "",
    ));
    let e3: &[(&str, &str, &[&str])] =
        &[("300", "200", &["CO*45*60", "PR*1*40"]), ("200", "0", &["CO*50*200"])];
    files.push(remittance("P1", "20260124", 203, "200", &[Decided("C3", "19", "P1-3", "40", e3)], ""));
    files.push(remittance(
        "P1",
        "20260130",
        204,
        "0",
        &[Decided("C5", "1", "P1-5", "", &[("400", "0", &["CO*16*400", "LQ*HE*M76"])])],
        "",
    ));
    files.push(remittance(
        "P1",
        "20260131",
        205,
        "0",
        &[Decided("C7", "1", "P1-7", "", &[("0", "0", &[])])],
        "",
    ));
    let e4: &[(&str, &str, &[&str])] = &[("150", "100", &["CO*45*30", "PR*3*20"])];
    files.push(remittance(
        "P2",
        "20260206",
        206,
        "75",
        &[Decided("C4", "1", "P2-4", "20", e4)],
        "WO:OLD25*25",
    ));
    let e8: &[(&str, &str, &[&str])] = &[("600", "350", &["CO*45*150", "PR*1*100"])];
    files.push(remittance("P2", "20260208", 207, "350", &[Decided("C8", "1", "P2-8", "100", e8)], ""));
    let e3s: &[(&str, &str, &[&str])] = &[("300", "40", &["OA*23*260"]), ("200", "0", &["OA*23*200"])];
    files.push(remittance("P3", "20260212", 208, "40", &[Decided("C3S", "2", "P3-3", "", e3s)], ""));
    files.push(remittance(
        "P2",
        "20260218",
        209,
        "0",
        &[Decided("C10", "1", "P2-10", "", &[("180", "0", &["CO*96*180", "LQ*HE*N130"])])],
        "",
    ));
    let e5: &[(&str, &str, &[&str])] = &[("420", "256", &["CO*45*100", "PR*2*64"])];
    files.push(remittance("P1", "20260220", 210, "256", &[Decided("C5R", "1", "P1-55", "64", e5)], ""));
    let appealed = [
        Decided("C2", "22", "P2-2", "", &[("-300", "0", &["CO*197*-300"])]),
        Decided("C2", "1", "P2-22", "", &[("300", "220", &["CO*45*80"])]),
    ];
    files.push(remittance("P2", "20260302", 211, "220", &appealed, ""));
    files
}
