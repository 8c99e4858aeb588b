//! The `div` of a narrative: a subtree of XHTML in XML, a string that holds it in JSON
//! (<https://hl7.org/fhir/R4/json.html#xhtml>).

use quick_xml::events::{BytesStart, Event};
use remit_fhir::Path;

use crate::quote::quote;
use crate::read::{Reader, Step, short};
use crate::xhtml;

impl<'x> Reader<'x> {
    /// Copies the subtree as a JSON string, its start tag read. Prefixes are taken out, so that the
    /// text stands for itself; all else stays as it was written.
    pub(crate) fn narrative(&mut self, start: &BytesStart<'x>, path: &Path<'_>) -> Step {
        let from = self.at;
        // The reader has made two tags of an empty one already.
        let end = self.xml.buffer_position() as usize;
        let is_empty = self.text.get(..end).is_some_and(|text| text.ends_with("/>"));
        let mut div = String::new();
        let mut open = 1usize;
        self.tag(start, is_empty, true, &mut div)?;
        self.xml.config_mut().expand_empty_elements = false;
        let mut is_xhtml = true;
        while open > 0 {
            let (event, is_ours) = self.event(xhtml::NAMESPACE)?;
            match event {
                Event::Start(start) => {
                    is_xhtml &= is_ours == Some(true);
                    open += 1;
                    self.tag(&start, false, false, &mut div)?;
                }
                Event::Empty(start) => {
                    is_xhtml &= is_ours == Some(true);
                    self.tag(&start, true, false, &mut div)?;
                }
                Event::End(end) => {
                    open -= 1;
                    if open > 0 || !is_empty {
                        div.extend(["</", end.local_name().into_inner(), ">"]);
                    }
                    is_xhtml &= is_ours == Some(true);
                }
                Event::Text(text) => div.push_str(&text),
                Event::CData(data) => div.extend(["<![CDATA[", &data, "]]>"]),
                Event::Comment(text) => div.extend(["<!--", &text, "-->"]),
                Event::GeneralRef(name) => div.extend(["&", &name, ";"]),
                Event::PI(_) => {}
                Event::Eof => return Err(self.fatal("the text ends inside a narrative")),
                Event::Decl(_) | Event::DocType(_) => {
                    return Err(self.fatal("there is a declaration inside a narrative"));
                }
            }
        }
        self.xml.config_mut().expand_empty_elements = true;
        if !is_xhtml {
            let sentence = format_args!(
                "The narrative holds elements that are not in the namespace {}",
                xhtml::NAMESPACE
            );
            self.faults.note(self.text, from, Some(path), sentence);
        }
        quote(&div, &mut self.out);
        Ok(())
    }

    /// Writes a start tag without prefixes and namespaces other than that of the root.
    fn tag(&mut self, start: &BytesStart<'x>, is_empty: bool, is_root: bool, div: &mut String) -> Step {
        let name = start.local_name().into_inner();
        div.extend(["<", name]);
        let raw = start.attributes_raw();
        let declares = raw.contains("xmlns");
        if is_root && !raw.contains("xmlns=") {
            div.extend([" xmlns=\"", xhtml::NAMESPACE, "\""]);
        }
        if !declares || !raw.contains("xmlns:") {
            div.push_str(raw);
        } else {
            self.attributes_without_prefixes(start, div)?;
        }
        div.push_str(if is_empty && !raw.ends_with('/') { "/>" } else { ">" });
        Ok(())
    }

    fn attributes_without_prefixes(&self, start: &BytesStart<'x>, div: &mut String) -> Step {
        for attribute in start.attributes() {
            let attribute =
                attribute.map_err(|e| self.fatal(format!("an attribute is not well-formed ({e})")))?;
            let name = attribute.key.into_inner();
            if name.starts_with("xmlns:") {
                continue;
            }
            if attribute.value.contains('"') {
                div.extend([" ", name, "='", &attribute.value, "'"]);
            } else {
                div.extend([" ", short(name), "=\"", &attribute.value, "\""]);
            }
        }
        Ok(())
    }
}
