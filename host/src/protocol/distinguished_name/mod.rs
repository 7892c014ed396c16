//! Distinguished names: as text (RFC 4514), and compared.
//!
//! A client registers the name of its certificate as text, which people copy from tools that all write it a little
//! differently. So names are compared by what they say: the type of an attribute by its identifier, whatever it is
//! called; its value without regard to letter case and spacing (RFC 4517 4.2.11); attributes of one relative name in
//! any order.

mod read;

use std::fmt;

/// The subject of a certificate, or what a client registered as one. Relative names stand in the order of RFC 4514:
/// the most specific first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistinguishedName(Vec<Vec<Attribute>>);

/// One attribute: the identifier of its type in dotted form, and its value.
#[derive(Clone, Debug)]
pub struct Attribute {
    kind: String,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    /// What is no text, as DER in hexadecimal.
    Other(String),
}

/// Names of attribute types and their identifiers. The first name of a type is the one we write; the first nine types
/// are those of RFC 4514 3.
const TYPES: [(&str, &[&str]); 24] = [
    ("2.5.4.3", &["CN", "commonName"]),
    ("2.5.4.7", &["L", "localityName"]),
    ("2.5.4.8", &["ST", "stateOrProvinceName", "S"]),
    ("2.5.4.10", &["O", "organizationName"]),
    ("2.5.4.11", &["OU", "organizationalUnitName"]),
    ("2.5.4.6", &["C", "countryName"]),
    ("2.5.4.9", &["STREET", "streetAddress"]),
    ("0.9.2342.19200300.100.1.25", &["DC", "domainComponent"]),
    ("0.9.2342.19200300.100.1.1", &["UID", "userId"]),
    ("1.2.840.113549.1.9.1", &["emailAddress", "E", "email"]),
    ("2.5.4.5", &["serialNumber"]),
    ("2.5.4.97", &["organizationIdentifier"]),
    ("2.5.4.4", &["SN", "surname"]),
    ("2.5.4.42", &["GN", "givenName", "G"]),
    ("2.5.4.43", &["initials"]),
    ("2.5.4.41", &["name"]),
    ("2.5.4.12", &["title", "T"]),
    ("2.5.4.13", &["description"]),
    ("2.5.4.15", &["businessCategory"]),
    ("2.5.4.17", &["postalCode"]),
    ("2.5.4.46", &["dnQualifier"]),
    ("1.3.6.1.4.1.311.60.2.1.1", &["jurisdictionL", "jurisdictionLocalityName"]),
    ("1.3.6.1.4.1.311.60.2.1.2", &["jurisdictionST", "jurisdictionStateOrProvinceName"]),
    ("1.3.6.1.4.1.311.60.2.1.3", &["jurisdictionC", "jurisdictionCountryName"]),
];

impl Attribute {
    /// An attribute of a certificate: the dotted identifier of its type, and its value as the tag and the content of
    /// DER.
    pub fn from_der(kind: String, tag: u8, content: &[u8]) -> Self {
        let value = text_of_der(tag, content).map_or_else(|| Value::Other(hex_of_der(tag, content)), Value::Text);
        Self { kind, value }
    }

    /// The value with nothing left of what does not count.
    fn compared(&self) -> String {
        match &self.value {
            Value::Text(text) => text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" "),
            // A text never has this character after its spacing was evened out.
            Value::Other(hex) => format!("\n{hex}"),
        }
    }
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.compared() == other.compared()
    }
}

impl Eq for Attribute {}

impl DistinguishedName {
    /// A name of these relative names, the most specific first.
    pub fn new(names: Vec<Vec<Attribute>>) -> Self {
        Self(names)
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both name the same. Some tools write the most specific name last, so either order will do.
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |(one, other): (&Vec<Attribute>, &Vec<Attribute>)| {
            one.len() == other.len() && one.iter().all(|attribute| other.contains(attribute)) && other.iter().all(|a| one.contains(a))
        };
        self.0.len() == other.0.len()
            && (self.0.iter().zip(&other.0).all(same) || self.0.iter().zip(other.0.iter().rev()).all(same))
            && !self.is_empty()
    }

    /// Reads the text form (RFC 4514 3), with the spaces and quotation marks that older tools write (RFC 2253 4).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        read::name(text).map(Self)
    }
}

/// As RFC 4514 2 has it, with names also for types that are only written as numbers there: people read this.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.0.iter().enumerate() {
            for (place, attribute) in name.iter().enumerate() {
                f.write_str(match (number, place) {
                    (0, 0) => "",
                    (_, 0) => ",",
                    _ => "+",
                })?;
                write!(f, "{attribute}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = TYPES.iter().find(|(identifier, _)| *identifier == self.kind).map_or(self.kind.as_str(), |(_, names)| names[0]);
        write!(f, "{kind}=")?;
        let text = match &self.value {
            Value::Text(text) => text,
            Value::Other(hex) => return write!(f, "#{hex}"),
        };
        let last = text.chars().count().saturating_sub(1);
        for (at, character) in text.chars().enumerate() {
            let escaped = matches!(character, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
                || (character == ' ' && (at == 0 || at == last))
                || (character == '#' && at == 0);
            match character {
                // What a log or a page would not show, as the bytes it is.
                character if character.is_control() => {
                    let mut bytes = [0; 4];
                    character.encode_utf8(&mut bytes).bytes().try_for_each(|byte| write!(f, "\\{byte:02x}"))?;
                }
                character if escaped => write!(f, "\\{character}")?,
                character => write!(f, "{character}")?,
            }
        }
        Ok(())
    }
}

/// What the strings of X.509 say: UTF8String, PrintableString, NumericString, IA5String, TeletexString, BMPString.
fn text_of_der(tag: u8, content: &[u8]) -> Option<String> {
    match tag {
        0x0c => String::from_utf8(content.to_vec()).ok(),
        0x12 | 0x13 | 0x16 => content.is_ascii().then(|| String::from_utf8_lossy(content).into_owned()),
        0x14 => Some(content.iter().copied().map(char::from).collect()),
        0x1e if content.len().is_multiple_of(2) => {
            let units: Vec<u16> = content.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

fn hex_of_der(tag: u8, content: &[u8]) -> String {
    let length = content.len();
    let mut der = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 128 => der.push(short),
        _ => {
            let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            der.push(0x80 | u8::try_from(bytes.len()).unwrap_or(8));
            der.extend(bytes);
        }
    }
    der.extend_from_slice(content);
    der.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap_or_else(|what| panic!("{text}: {what}"))
    }

    #[test]
    fn one_name_is_the_same_however_tools_write_it() {
        let certificate = name(r"CN=Fern \& Co\, Client,OU=Sales+UID=7,O=Example Bank,2.5.4.97=PSDDE-BAFIN-1234,C=DE");
        for written in [
            r"CN=Fern & Co\2c Client,OU=Sales+UID=7,O=Example Bank,2.5.4.97=PSDDE-BAFIN-1234,C=DE",
            "cn=\"fern & co, client\" , uid = 7 + ou=SALES, o=example  bank, organizationIdentifier=PSDDE-BAFIN-1234, c=de",
            r"C = DE, OID.2.5.4.97 = PSDDE-BAFIN-1234, O = Example Bank, UID = 7 + OU = Sales, CN = Fern & Co\, Client",
            r"CN=Fern & Co\, Client;OU=Sales+UID=7;O=Example Bank;2.5.4.97=#0c105053444445 2d",
        ] {
            let same = DistinguishedName::parse(written).is_ok_and(|written| certificate.is_same(&written));
            assert_eq!(same, !written.ends_with(" 2d"), "{written}");
        }
        assert!(name("2.5.4.97=#0c0450534431").is_same(&name("organizationIdentifier=psd1")));
    }

    #[test]
    fn what_says_something_else_is_another_name() {
        let certificate = name("CN=client,O=Bank,C=DE");
        for other in [
            "CN=client,O=Bank",
            "CN=client,O=Bank,C=AT",
            "CN=client,OU=Bank,C=DE",
            "CN=client+O=Bank,C=DE",
            "CN=client,O=Bank,O=Bank,C=DE",
            "O=Bank,CN=client,C=DE",
            "CN=cli ent,O=Bank,C=DE",
            r"CN=client\,O=Bank,C=DE",
            "CN=#0401ff,O=Bank,C=DE",
        ] {
            assert!(!certificate.is_same(&name(other)), "{other}");
        }
        assert!(!name("CN=a+CN=a").is_same(&name("CN=a+CN=b")));
        assert!(!DistinguishedName::default().is_same(&DistinguishedName::default()), "no name is nobody's");
    }

    #[test]
    fn what_is_written_reads_as_what_it_was() {
        for text in [r"CN=\ a\ ,O=\#1", r"CN=a\+b\,c\;d\\e\22f", "1.2.3.4=#0401ff", r"CN=a\0d\0ab", "CN=Żółć", "CN="] {
            let (read, again) = (name(text), name(&name(text).to_string()));
            assert_eq!(read, again, "{text}");
            assert!(read.is_same(&again), "{text}");
        }
        assert_eq!(name("commonName = a, OID.2.5.4.6 = DE").to_string(), "CN=a,C=DE");
        assert_eq!(name(r"CN=a\0ab").to_string(), r"CN=a\0ab");
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        for (text, what) in [
            ("", "missing"),
            ("CN=a,", "missing"),
            ("client", "no attribute"),
            ("/C=DE/CN=a", "no known attribute type"),
            ("CN=\"a", "not closed"),
            ("CN=\"a\"b", "left over"),
            ("CN=a\\", "at its end"),
            ("CN=\\ff", "UTF-8"),
            ("CN=#1", "hexadecimal"),
            ("CN=#", "hexadecimal"),
            ("X=a", "`X`"),
            ("1..2=a", "`1..2`"),
        ] {
            let error = DistinguishedName::parse(text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn values_of_certificates_are_text_where_they_are() {
        for (tag, content, shown) in [
            (0x0c, "Ä".as_bytes(), "CN=Ä"),
            (0x13, b"a", "CN=a"),
            (0x14, &[0xc4], "CN=Ä"),
            (0x1e, &[0, 0xc4], "CN=Ä"),
            (0x0c, &[0xff], "CN=#0c01ff"),
            (0x04, &[1, 2], "CN=#04020102"),
        ] {
            let name = DistinguishedName::new(vec![vec![Attribute::from_der("2.5.4.3".to_owned(), tag, content)]]);
            assert_eq!(name.to_string(), shown);
        }
        assert!(hex_of_der(4, &[0; 300]).starts_with("0482012c00"));
    }
}
