//! The text form of a distinguished name, read from its beginning (RFC 4514 3).

use super::{Attribute, TYPES, Value, text_of_der};

/// All relative names, in the order in which they are written.
pub(super) fn name(text: &str) -> Result<Vec<Vec<Attribute>>, String> {
    let mut reader = Reader { rest: text };
    let mut names = Vec::new();
    loop {
        let mut name = vec![reader.attribute()?];
        while reader.skip('+') {
            name.push(reader.attribute()?);
        }
        names.push(name);
        if !reader.skip(',') && !reader.skip(';') {
            break;
        }
    }
    if reader.rest.is_empty() { Ok(names) } else { Err(format!("`{}` is left over at its end", reader.rest)) }
}

/// What is not read yet.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    /// Takes a separator, with the space before it.
    fn skip(&mut self, separator: char) -> bool {
        self.spaces();
        let rest = self.rest.strip_prefix(separator);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn attribute(&mut self) -> Result<Attribute, String> {
        self.spaces();
        let (kind, rest) = self.rest.split_once('=').ok_or_else(|| match self.rest {
            "" => "an attribute is missing: write for example CN=client,O=Bank,C=DE".to_owned(),
            rest => format!("`{rest}` is no attribute: write for example CN=client,O=Bank,C=DE"),
        })?;
        let kind = identifier(kind.trim())?;
        self.rest = rest;
        self.spaces();
        let value = if self.skip('#') {
            self.hexadecimal()?
        } else if self.skip('"') {
            Value::Text(self.text(true)?)
        } else {
            Value::Text(self.text(false)?)
        };
        Ok(Attribute { kind, value })
    }

    fn hexadecimal(&mut self) -> Result<Value, String> {
        let end = self.rest.find(|character: char| !character.is_ascii_hexdigit()).unwrap_or(self.rest.len());
        let (hex, rest) = self.rest.split_at(end);
        self.rest = rest;
        let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect();
        let bytes = bytes.filter(|bytes| !bytes.is_empty()).ok_or_else(|| format!("`#{hex}` is not hexadecimal"))?;
        // The same name may be registered either way: what is text is compared as text.
        let text = match bytes.as_slice() {
            [tag, length, content @ ..] if usize::from(*length) == content.len() && *length < 128 => text_of_der(*tag, content),
            _ => None,
        };
        Ok(text.map_or_else(|| Value::Other(hex.to_ascii_lowercase()), Value::Text))
    }

    /// A value up to the next separator, or to the closing quotation mark.
    fn text(&mut self, quoted: bool) -> Result<String, String> {
        let mut bytes = Vec::new();
        // Spaces at the end count only where they were escaped.
        let mut kept = 0;
        loop {
            let before = self.rest;
            match self.next() {
                Some('\\') => {
                    self.escaped(&mut bytes)?;
                    kept = bytes.len();
                }
                Some('"') if quoted => break,
                Some(',' | ';' | '+') if !quoted => {
                    self.rest = before;
                    break;
                }
                Some(character) => {
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    if quoted || !character.is_whitespace() {
                        kept = bytes.len();
                    }
                }
                None if quoted => return Err("a quotation mark is not closed".to_owned()),
                None => break,
            }
        }
        bytes.truncate(kept);
        String::from_utf8(bytes).map_err(|_| "a value is not UTF-8".to_owned())
    }

    /// What follows a backslash: two hexadecimal digits, or the character that is meant.
    fn escaped(&mut self, bytes: &mut Vec<u8>) -> Result<(), String> {
        let byte = self.rest.get(..2).filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if let Some(byte) = byte.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            self.rest = &self.rest[2..];
            bytes.push(byte);
            return Ok(());
        }
        let character = self.next().ok_or("a backslash stands at its end")?;
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }
}

/// The dotted identifier of a type, which may be given as a name.
fn identifier(kind: &str) -> Result<String, String> {
    let named = TYPES.iter().find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(kind)));
    if let Some((identifier, _)) = named {
        return Ok((*identifier).to_owned());
    }
    let dotted = kind.strip_prefix("OID.").or_else(|| kind.strip_prefix("oid.")).unwrap_or(kind);
    let is_dotted = dotted.contains('.') && dotted.split('.').all(|arc| !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()));
    if is_dotted { Ok(dotted.to_owned()) } else { Err(format!("`{kind}` is no known attribute type: write its dotted identifier instead")) }
}
