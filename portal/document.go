package portal

import (
	"bytes"
	"image"
	_ "image/gif"  // so that an image can be measured before a browser is shown it
	_ "image/jpeg" // the same
	_ "image/png"  // the same
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/narrative"
	"github.com/go-json-experiment/json/jsontext"
)

// D3, one document. What a site published may hold anything, so nothing of it reaches the page but text in a tree of ours
// (internal/narrative), an image that is one, or a file to keep.

// A shown document is what the page says of one.
type shownDocument struct {
	paper
	// Is says how the content is shown: "sections", "text", "image", "pdf" or "file".
	Is       string
	CDA      *narrative.Document
	Text     string
	Wrong    string // a key of words on why the content is not shown, "" when it is
	Patient  string // of whom the document itself says it is
	Of, File string
}

// maxShownText bounds the text shown in the page.
const maxShownText = 512 << 10

// document answers GET /documents/:document?of=. of is the patient's page to go back to, and whose emergency counts.
func (v *visit) document() error {
	id, of := v.c.Param("document"), v.c.Query("of")
	actor, until := v.asking(of)
	a, err := v.callAs(actor, http.MethodGet, "/fhir/DocumentReference/"+url.PathEscape(id), nil)
	if err != nil {
		return err
	}
	p, err := readReference(a.body)
	if err != nil {
		return err
	}
	p.Date = p.Date.In(v.zone())
	d := shownDocument{paper: p, Of: of, File: "/documents/" + url.PathEscape(id) + "/file?of=" + url.QueryEscape(of)}
	switch p.Format {
	case "pdf":
		d.Is = "pdf"
	case "image":
		d.Is = "image"
	case "ccda", "text", "fhir":
		if err := v.fill(&d, actor, a.body); err != nil {
			return err
		}
	default:
		d.Is = "file"
	}
	v.show(http.StatusOK, "document", map[string]any{"Document": d, "Emergency": until, "Mixed": ""})
	return nil
}

// binaryPath is where the API serves the bytes of a reference it served.
func binaryPath(reference []byte) (string, bool) {
	var d fhir.DocumentReference
	if fhir.Decode(reference, &d) != nil || len(d.Content) == 0 {
		return "", false
	}
	_, id, found := strings.Cut(d.Content[0].Attachment.URL, "/fhir/Binary/")
	return "/fhir/Binary/" + url.PathEscape(id), found && id != ""
}

// fill retrieves the content and reads it. A site that does not deliver is said on the page, below what is known.
func (v *visit) fill(d *shownDocument, actor hie.Actor, reference []byte) error {
	path, ok := binaryPath(reference)
	if !ok {
		d.Wrong = "document.gone"
		return nil
	}
	a, err := v.callAs(actor, http.MethodGet, path, nil, "Accept", "*/*")
	if err != nil {
		var t = troubleOf(err)
		switch t.key {
		case "trouble.unavailable":
			d.Wrong = "document.undelivered"
		case "trouble.toolarge":
			d.Wrong = "document.toolarge"
		default:
			return err
		}
		return nil
	}
	if d.Caveats == nil && a.header.Get("Concord-Notice") != "" { // it is one's own, and what goes with the content was not said with the reference
		if d.Caveats, err = v.caveats(actor, path); err != nil {
			return err
		}
	}
	switch d.Format {
	case "ccda":
		cda, err := narrative.ReadCDA(bytes.NewReader(a.body))
		if wrong(err) {
			d.Wrong = "document.unreadable"
			return nil
		}
		d.Is, d.CDA, d.Patient = "sections", &cda, cda.Patient
		cda.Written = humanTime(cda.Written, v)
	case "fhir":
		cda, ok := readFHIRDocument(a.body)
		if !ok {
			d.Wrong = "document.unreadable"
			return nil
		}
		d.Is, d.CDA, d.Patient = "sections", &cda, cda.Patient
	default:
		if !utf8.Valid(a.body) || len(a.body) > maxShownText {
			d.Wrong = "document.unreadable"
			return nil
		}
		d.Is, d.Text = "text", string(a.body)
	}
	return nil
}

// humanTime writes an HL7 v3 time (YYYYMMDD…) out; what is none is "".
func humanTime(ts string, v *visit) string {
	if len(ts) >= 8 {
		if t, err := time.Parse("20060102", ts[:8]); err == nil {
			return day(v.language, t)
		}
	}
	return ""
}

// readFHIRDocument reads the sections of a document Bundle, or the narrative of any other resource.
func readFHIRDocument(raw []byte) (narrative.Document, bool) {
	type section struct {
		Title   string           `json:"title"`
		Text    *fhir.Narrative  `json:"text"`
		Section []jsontext.Value `json:"section"`
	}
	type resource struct {
		ResourceType string           `json:"resourceType"`
		Title        string           `json:"title"`
		Text         *fhir.Narrative  `json:"text"`
		Section      []section        `json:"section"`
		Name         []fhir.HumanName `json:"name"`
	}
	var out narrative.Document
	add := func(title string, text *fhir.Narrative, depth int) {
		if text == nil {
			return
		}
		if ns, err := narrative.ReadDiv(text.Div); err == nil {
			out.Sections = append(out.Sections, narrative.Section{Title: title, Depth: depth, Nodes: ns})
		}
	}
	read := func(raw []byte) {
		var head struct {
			ResourceType string `json:"resourceType"`
		}
		if fhir.Decode(raw, &head) != nil {
			return
		}
		switch head.ResourceType {
		case "Composition":
			var r resource
			if fhir.Decode(raw, &r) != nil {
				return
			}
			out.Title = r.Title
			for _, s := range r.Section {
				add(s.Title, s.Text, 0)
				for _, inner := range s.Section {
					var i section
					if fhir.Decode(inner, &i) == nil {
						add(i.Title, i.Text, 1)
					}
				}
			}
		case "Patient":
			var r resource
			if fhir.Decode(raw, &r) == nil {
				out.Patient = nameOf(r.Name)
			}
		}
	}
	var b fhir.Bundle
	if fhir.Decode(raw, &b) != nil {
		return out, false
	}
	if b.ResourceType != "Bundle" {
		var r struct {
			ResourceType string          `json:"resourceType"`
			Text         *fhir.Narrative `json:"text"`
		}
		if fhir.Decode(raw, &r) != nil || r.Text == nil {
			return out, false
		}
		add(r.ResourceType, r.Text, 0)
		return out, true
	}
	for _, e := range b.Entry {
		read(e.Resource)
	}
	return out, true
}

// safeImages are the image types a browser is shown, and maxPixels how large one may be.
var safeImages = map[string]string{"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif"}

const maxPixels = 50_000_000

// documentFile answers GET /documents/:document/file: an image or a PDF to look at, if its bytes are one, else a file to
// keep. Nothing a site sent is ever given to the browser as a page.
func (v *visit) documentFile() error {
	id, of := v.c.Param("document"), v.c.Query("of")
	actor, _ := v.asking(of)
	ref, err := v.callAs(actor, http.MethodGet, "/fhir/DocumentReference/"+url.PathEscape(id), nil)
	if err != nil {
		return err
	}
	path, ok := binaryPath(ref.body)
	if !ok {
		return hie.ErrNotFound
	}
	a, err := v.callAs(actor, http.MethodGet, path, nil, "Accept", "*/*")
	if err != nil {
		return err
	}
	contentType, extension := "application/octet-stream", "bin"
	disposition := "attachment"
	if config, format, err := image.DecodeConfig(bytes.NewReader(a.body)); err == nil && safeImages[format] != "" && config.Width*config.Height <= maxPixels {
		contentType, extension, disposition = safeImages[format], format, "inline"
	} else if bytes.HasPrefix(a.body, []byte("%PDF-")) {
		contentType, extension, disposition = "application/pdf", "pdf", "inline"
	}
	h := v.c.Writer.Header()
	if said := a.header.Get("Concord-Notice"); said != "" {
		h.Set("Concord-Notice", said)
	}
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'")
	if disposition == "attachment" {
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	}
	h.Set("Content-Disposition", disposition+`; filename="document.`+extension+`"`)
	v.c.Data(http.StatusOK, contentType, a.body)
	return nil
}
