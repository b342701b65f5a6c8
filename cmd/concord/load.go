package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/sim"
)

// A message is one thing found by --load that may be sent.
type message struct {
	place string // file, with line or entry where it has several
	// dir is its folder within the one loaded: references such as Patient/example hold within it. bundle is the
	// Bundle it came in, within which full URLs hold, or "".
	dir, bundle string
	kind        string // "Patient", "DocumentReference", "Bundle transaction", ...
	order       int
	raw         []byte

	verdict, text string // "accepted", "refused" or "skipped"; id or reason
}

// A loader sends messages as the sites' feeds would.
type loader struct {
	*demo
	messages []*message
	// patients maps what a message calls a patient (folder and reference, Bundle and full URL) to the identifier
	// of ours it was registered under.
	patients map[string]fhir.Identifier
	// documents maps what a message calls a document (folder and reference) to the reference it has here.
	documents map[string]string
}

// load registers and publishes the FHIR messages found under dir (*.json, *.ndjson) and prints one line for each
// and a summary. A refusal is a result, not an error.
//
// A site of the demo speaks for each patient: it adds an identifier of its own where the message has none of
// ours, and keeps the original ones beside it. A document that carries its bytes inline is kept by that site's
// own server and published as a pointer to it, since Concord keeps no charts. ITI-65 transactions go as they are;
// one that is refused and carries documents goes once more as the site's gateway would send it (loadgateway.go).
func (m *demo) load(ctx context.Context, dir string) error {
	l := &loader{demo: m, patients: map[string]fhir.Identifier{}, documents: map[string]string{}}
	if err := l.find(dir); err != nil {
		return err
	}
	// Patients first, those replaced by another after those they may be replaced by; then what is about them, what relates
	// to other documents after those, and transactions last.
	send := slices.Clone(l.messages)
	slices.SortStableFunc(send, func(a, b *message) int { return cmp.Compare(a.order, b.order) })
	bar := newProgress(m.s.err, "sending messages", len(send))
	for _, msg := range send {
		if err := l.send(ctx, msg); err != nil {
			bar.end()
			return err
		}
		bar.add(1)
	}
	bar.end()
	return l.report()
}

// find reads every file and splits it into messages.
func (l *loader) find(dir string) error {
	dir, err := filepath.EvalSymlinks(dir) // WalkDir does not follow a link it is given
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		ext := filepath.Ext(name)
		if e.IsDir() || (ext != ".json" && ext != ".ndjson") {
			return nil
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		place, err := filepath.Rel(dir, name)
		if err != nil {
			return fmt.Errorf("load: %w", err)
		}
		if ext == ".json" {
			l.take(place, filepath.Dir(place), raw)
			return nil
		}
		for i, line := range bytes.Split(raw, []byte("\n")) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				l.take(fmt.Sprintf("%s:%d", place, i+1), filepath.Dir(place), line)
			}
		}
		return nil
	})
}

// peek is what decides what a message is.
type peek struct {
	ResourceType string `json:"resourceType"`
	Type         any    `json:"type"`
	Active       *bool  `json:"active"`
	RelatesTo    []any  `json:"relatesTo"`
	Meta         struct {
		Profile []string `json:"profile"`
	} `json:"meta"`
	Entry []struct {
		FullURL  string          `json:"fullUrl"`
		Resource json.RawMessage `json:"resource"`
	} `json:"entry"`
}

// take adds the messages of one JSON document.
func (l *loader) take(place, dir string, raw []byte) {
	var p peek
	msg := &message{place: place, dir: dir, raw: raw, order: 2}
	l.messages = append(l.messages, msg)
	if err := json.Unmarshal(raw, &p); err != nil || p.ResourceType == "" {
		msg.kind = "?"
		msg.settle("skipped", "is not a FHIR resource in JSON")
		return
	}
	msg.kind = p.ResourceType
	switch p.ResourceType {
	case "Patient":
		msg.order = 0
		if p.Active != nil && !*p.Active {
			msg.order = 1
		}
	case "DocumentReference":
		if len(p.RelatesTo) > 0 {
			msg.order = 3
		}
	case "Bundle":
		msg.order = 4
		kind, _ := p.Type.(string)
		msg.kind += " " + kind
		provide := slices.ContainsFunc(p.Meta.Profile, func(u string) bool { return strings.Contains(u, "ProvideBundle") })
		switch {
		case kind == "transaction" && provide:
		case kind == "transaction":
			l.split(msg, p)
		default:
			msg.settle("skipped", "a Bundle of this type is not sent to an exchange")
		}
	default:
		msg.settle("skipped", "not applicable: neither a patient nor a document")
	}
}

// split takes a transaction meant for an EMR apart: of its entries, patients and documents concern the exchange.
func (l *loader) split(msg *message, p peek) {
	taken := 0
	for i, e := range p.Entry {
		var entry peek
		if json.Unmarshal(e.Resource, &entry) != nil || (entry.ResourceType != "Patient" && entry.ResourceType != "DocumentReference") {
			continue
		}
		taken++
		part := &message{place: fmt.Sprintf("%s#%d", msg.place, i), dir: msg.dir, bundle: msg.place, kind: entry.ResourceType, raw: e.Resource, order: 2}
		if entry.ResourceType == "Patient" {
			part.order = 0
			l.patients[msg.place+"|"+e.FullURL], _, _ = l.identify(part)
		}
		l.messages = append(l.messages, part)
	}
	msg.settle("skipped", fmt.Sprintf("not applicable as a whole; its %d patients and documents follow, %d other entries do not concern the exchange", taken, len(p.Entry)-taken))
}

func (msg *message) settle(verdict, text string) { msg.verdict, msg.text = verdict, text }

// send sends one message and notes what came of it. An error means the demo itself failed.
func (l *loader) send(ctx context.Context, msg *message) error {
	if msg.verdict != "" {
		return nil
	}
	switch msg.kind {
	case "Patient":
		return l.sendPatient(ctx, msg)
	case "DocumentReference":
		return l.sendDocument(ctx, msg)
	default:
		if err := l.post(ctx, msg, "harbor-main", "/fhir", msg.raw); err != nil || msg.verdict == "accepted" {
			return err
		}
		return l.sendThroughGateway(ctx, msg)
	}
}

// identify returns the identifier of ours for a Patient message, whether the message has it already, and the
// site that gives it. The site and the value follow from the first identifier, so that the same patient is the
// same in each file, and patients of one foreign authority go to one site.
func (l *loader) identify(msg *message) (id fhir.Identifier, own bool, site sim.Site) {
	var p struct {
		ID         string            `json:"id"`
		Identifier []fhir.Identifier `json:"identifier"`
	}
	_ = json.Unmarshal(msg.raw, &p) // what cannot be read is left to Concord to refuse
	for _, i := range p.Identifier {
		for _, s := range l.region.Sites {
			if i.System == s.Authority {
				return i, true, s
			}
		}
	}
	foreign := fhir.Identifier{System: msg.dir, Value: p.ID}
	if len(p.Identifier) > 0 {
		foreign = p.Identifier[0]
	}
	id, site = l.adopt(foreign)
	return id, false, site
}

// adopt returns the identifier a site of ours gives the patient somebody else calls foreign.
func (l *loader) adopt(foreign fhir.Identifier) (fhir.Identifier, sim.Site) {
	authority := sha256.Sum256([]byte(foreign.System))
	site := l.region.Sites[int(authority[0])%3] // hospital, practice, cardiology
	value := sha256.Sum256([]byte(foreign.System + "|" + foreign.Value))
	return fhir.Identifier{System: site.Authority, Value: "LD-" + hex.EncodeToString(value[:5])}, site
}

// sendPatient registers a patient by conditional update under an identifier of ours.
func (l *loader) sendPatient(ctx context.Context, msg *message) error {
	id, own, site := l.identify(msg)
	o, err := fhir.ParseObject(msg.raw)
	if err != nil {
		return l.put(ctx, msg, site.ID, id, msg.raw) // refused there, with the reason
	}
	var p struct {
		ID         string            `json:"id"`
		Identifier []json.RawMessage `json:"identifier"`
	}
	_ = json.Unmarshal(msg.raw, &p) // as above
	if !own {
		o.Set("identifier", append([]json.RawMessage{fhir.Encode(id)}, p.Identifier...))
	}
	if links := o.Value("link"); links != nil {
		if edited, err := fhir.EditArray(links, l.relink); err == nil {
			o.Set("link", edited)
		}
	}
	l.patients[msg.dir+"|Patient/"+p.ID] = id
	return l.put(ctx, msg, site.ID, id, o.Bytes())
}

// relink names the other patient of a link by the identifier it was registered under.
func (l *loader) relink(_ int, link *fhir.Object) error {
	other, err := fhir.ParseObject(link.Value("other"))
	if err != nil {
		return nil //nolint:nilerr // left as it is; Concord says what is wrong with it
	}
	var foreign fhir.Identifier
	if raw := other.Value("identifier"); raw != nil && json.Unmarshal(raw, &foreign) == nil {
		id, _ := l.adopt(foreign)
		other.Set("identifier", id)
		link.Set("other", other)
	}
	return nil
}

func (l *loader) put(ctx context.Context, msg *message, site string, id fhir.Identifier, body []byte) error {
	r, err := l.clients[site+"-feed"].api.call(ctx, feeding, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(id.System+"|"+id.Value), body)
	if err != nil {
		return err
	}
	msg.answered(r)
	return nil
}

// sendDocument publishes a document reference. A patient reference that names a patient of the same folder
// becomes that patient's identifier; bytes carried inline move to the site's server.
func (l *loader) sendDocument(ctx context.Context, msg *message) error {
	var d struct {
		Subject fhir.Reference `json:"subject"`
		Content []struct {
			Attachment fhir.Attachment `json:"attachment"`
		} `json:"content"`
	}
	o, err := fhir.ParseObject(msg.raw)
	if err != nil || json.Unmarshal(msg.raw, &d) != nil {
		return l.post(ctx, msg, "harbor-main", "/fhir/DocumentReference", msg.raw)
	}
	site := l.region.Sites[0]
	if id, known := l.meant(msg, d.Subject); known {
		site = l.assigner(id)
		o.Set("subject", fhir.Reference{Identifier: &id})
	}
	var failed error // of the site's server; what Concord is to refuse is left as it is
	edited, err := fhir.EditArray(o.Value("content"), func(i int, content *fhir.Object) error {
		a := d.Content[i].Attachment
		if a.Data == "" || a.URL != "" {
			return nil
		}
		body, err := base64.StdEncoding.DecodeString(a.Data)
		if err != nil {
			return nil //nolint:nilerr // left as it is; Concord says what is wrong with it
		}
		name, err := l.host(site, a.ContentType, body)
		if err != nil {
			failed = err
			return err
		}
		attachment, err := fhir.ParseObject(content.Value("attachment"))
		if err != nil {
			return err
		}
		size := int64(len(body))
		attachment.Delete("data")
		attachment.Set("url", l.bases[site.ID]+"/Binary/"+name)
		attachment.Set("size", size)
		attachment.Set("hash", sim.Hash(body))
		content.Set("attachment", attachment)
		return nil
	})
	if failed != nil {
		return failed
	}
	if err == nil {
		o.Set("content", edited)
	}
	l.relate(msg.dir, &o)
	if err := l.post(ctx, msg, site.ID, "/fhir/DocumentReference", o.Bytes()); err != nil || msg.verdict != "accepted" {
		return err
	}
	var named struct{ ID string }
	if json.Unmarshal(msg.raw, &named) == nil && named.ID != "" {
		l.documents[msg.dir+"|DocumentReference/"+named.ID] = msg.text
	}
	return nil
}

// relate lets the relations of a document name the documents of its folder by the references they were given here.
func (l *loader) relate(dir string, document *fhir.Object) {
	edited, err := fhir.EditArray(document.Value("relatesTo"), func(_ int, relation *fhir.Object) error {
		var target fhir.Reference
		if json.Unmarshal(relation.Value("target"), &target) != nil {
			return nil //nolint:nilerr // left as it is; Concord says what is wrong with it
		}
		if here, known := l.documents[dir+"|"+target.Reference]; known {
			relation.Set("target", fhir.Reference{Reference: here})
		}
		return nil
	})
	if err == nil {
		document.Set("relatesTo", edited)
	}
}

// meant returns the identifier of ours under which the patient a message refers to was registered.
func (l *loader) meant(msg *message, subject fhir.Reference) (fhir.Identifier, bool) {
	if id, known := l.patients[msg.bundle+"|"+subject.Reference]; known {
		return id, true
	}
	if id, known := l.patients[msg.dir+"|"+subject.Reference]; known {
		return id, true
	}
	if subject.Identifier == nil {
		return fhir.Identifier{}, false
	}
	id, _ := l.adopt(*subject.Identifier)
	return id, true
}

// assigner returns the site that gave an identifier of ours.
func (l *loader) assigner(id fhir.Identifier) sim.Site {
	for _, s := range l.region.Sites {
		if s.Authority == id.System {
			return s
		}
	}
	return l.region.Sites[0]
}

// host keeps a document's bytes at site's own server and returns the name it has there.
func (l *loader) host(site sim.Site, contentType string, body []byte) (string, error) {
	sum := sha256.Sum256(append([]byte(contentType+"\n"), body...))
	name := hex.EncodeToString(sum[:20])
	dir := l.hosted(site.ID)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("load: %w", err)
	}
	return name, os.WriteFile(filepath.Join(dir, name), append([]byte(contentType+"\n"), body...), 0o644)
}

func (m *demo) hosted(site string) string { return filepath.Join(m.dir, "loaded", site) }

// kept returns the documents --load has given to site's server, for [sim.Server].
func (m *demo) kept(site string) func(name string) (contentType string, body []byte, ok bool) {
	return func(name string) (string, []byte, bool) {
		raw, err := os.ReadFile(filepath.Join(m.hosted(site), path.Base(name)))
		if err != nil {
			return "", nil, false
		}
		contentType, body, ok := bytes.Cut(raw, []byte("\n"))
		return string(contentType), body, ok
	}
}

func (l *loader) post(ctx context.Context, msg *message, site, target string, body []byte) error {
	r, err := l.clients[site+"-feed"].api.call(ctx, feeding, http.MethodPost, target, body)
	if err != nil {
		return err
	}
	msg.answered(r)
	return nil
}

// answered notes what the node said.
func (msg *message) answered(r reply) {
	if r.status != http.StatusOK && r.status != http.StatusCreated {
		msg.settle("refused", r.problem())
		return
	}
	if location := r.header.Get("Location"); location != "" {
		u, err := url.Parse(location)
		if err == nil {
			msg.settle("accepted", strings.TrimPrefix(u.Path, "/fhir/"))
			return
		}
	}
	var answer struct {
		ResourceType string
		ID           string
		Entry        []struct{ Response struct{ Location string } }
	}
	if err := json.Unmarshal(r.body, &answer); err != nil {
		msg.settle("accepted", fmt.Sprintf("status %d", r.status))
		return
	}
	if answer.ResourceType == "Bundle" {
		msg.settle("accepted", fmt.Sprintf("%d entries", len(answer.Entry)))
		return
	}
	msg.settle("accepted", answer.ResourceType+"/"+answer.ID)
}

// report prints a line a message and the counts.
func (l *loader) report() error {
	w := tabwriter.NewWriter(l.s.out, 0, 0, 2, ' ', 0)
	counts := map[string]int{}
	for _, msg := range l.messages {
		counts[msg.verdict]++
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", msg.place, msg.kind, msg.verdict, msg.text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(l.s.out, "%d messages: %d accepted, %d refused, %d skipped\n", len(l.messages), counts["accepted"], counts["refused"], counts["skipped"])
	return err
}
