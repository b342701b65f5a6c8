package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/sim"
)

// A gateway turns one ITI-65 transaction that carries documents into one that points to them.
type gateway struct {
	*loader
	msg  *message
	site sim.Site
	// urls are where the documents of the Bundle are kept now, by their full URL.
	urls map[string]string
	// source is the patient a document tells of in itself, for resources that name none; zero when there is none.
	source fhir.Identifier
}

// A carried entry is one entry of the transaction.
type carried struct {
	fullURL, kind string
	object        fhir.Object // the entry
	resource      fhir.Object
}

// sendThroughGateway sends an ITI-65 transaction as the gateway of a site does that keeps its documents itself:
// the patient of the Bundle is registered, its Binaries and document Bundles are kept by the site's server, and
// the references point there. What came of it is a message of its own in the report. A Bundle that carries no
// document stays refused as it was.
func (l *loader) sendThroughGateway(ctx context.Context, msg *message) error {
	g := &gateway{loader: l, msg: msg, site: l.region.Sites[0], urls: map[string]string{}}
	entries, documents := g.read()
	if documents == 0 {
		return nil
	}
	again := &message{place: msg.place + " (gateway)", dir: msg.dir, bundle: msg.place, kind: msg.kind}
	l.messages = slices.Insert(l.messages, slices.Index(l.messages, msg)+1, again)
	if err := g.admit(ctx, entries); err != nil {
		return err
	}
	var out []json.RawMessage
	for _, e := range entries {
		switch e.kind {
		case "Patient":
			continue
		case "Binary", "Bundle":
			name, err := g.keep(e)
			if err != nil {
				return err
			}
			g.urls[e.fullURL] = l.bases[g.site.ID] + "/Binary/" + name
		}
	}
	for _, e := range entries {
		if e.kind == "DocumentReference" || e.kind == "List" {
			out = append(out, g.point(e))
		} else if e.kind == "Parameters" {
			out = append(out, g.patch(e))
		}
	}
	bundle, err := fhir.ParseObject(msg.raw)
	if err != nil {
		return err
	}
	bundle.Set("entry", out)
	return l.post(ctx, again, g.site.ID, "/fhir", bundle.Bytes())
}

// read returns the entries of the Bundle and how many of them are documents; none if it cannot be read.
func (g *gateway) read() (entries []carried, documents int) {
	bundle, err := fhir.ParseObject(g.msg.raw)
	if err != nil {
		return nil, 0
	}
	_, err = fhir.EditArray(bundle.Value("entry"), func(_ int, o *fhir.Object) error {
		e := carried{object: *o}
		_ = json.Unmarshal(o.Value("fullUrl"), &e.fullURL) // "" when it has none
		var err error
		if e.resource, err = fhir.ParseObject(o.Value("resource")); err != nil {
			return err
		}
		if e.kind, err = fhir.ResourceType(e.resource.Bytes()); err != nil {
			return err
		}
		if e.kind == "Binary" || e.kind == "Bundle" {
			documents++
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, 0
	}
	return entries, documents
}

// admit registers the patient of the Bundle, if it brings one, and settles which site speaks.
func (g *gateway) admit(ctx context.Context, entries []carried) error {
	register := func(raw []byte) (fhir.Identifier, error) {
		patient := &message{dir: g.msg.place, raw: raw}
		id, _, site := g.identify(patient)
		g.site = site
		return id, g.sendPatient(ctx, patient)
	}
	for _, e := range entries {
		var (
			subject struct{ Subject fhir.Reference }
			within  struct { // a document Bundle, or a document that says whom it is about by a contained Patient
				Entry []struct {
					FullURL  string
					Resource json.RawMessage
				}
				Contained []json.RawMessage
				Subject   *fhir.Reference
			}
		)
		_ = json.Unmarshal(e.resource.Bytes(), &within) // what cannot be read is left to Concord to refuse
		switch {
		case e.kind == "Patient":
			id, err := register(e.resource.Bytes())
			if err != nil {
				return err
			}
			g.patients[g.msg.place+"|"+e.fullURL] = id
		case e.kind == "Bundle":
			for _, inner := range within.Entry {
				if kind, err := fhir.ResourceType(inner.Resource); err != nil || kind != "Patient" {
					continue
				}
				id, err := register(inner.Resource)
				if err != nil {
					return err
				}
				g.patients[g.msg.place+"|"+inner.FullURL] = id
			}
		case e.kind == "DocumentReference" && within.Subject == nil:
			for _, contained := range within.Contained {
				if kind, err := fhir.ResourceType(contained); err != nil || kind != "Patient" {
					continue
				}
				var err error
				if g.source, err = register(contained); err != nil {
					return err
				}
			}
		case json.Unmarshal(e.resource.Bytes(), &subject) == nil:
			if id, known := g.meant(g.msg, subject.Subject); known {
				g.site = g.assigner(id)
			}
		}
	}
	return nil
}

// patch returns a patch with its document named by the reference it has here.
func (g *gateway) patch(e carried) json.RawMessage {
	var target struct{ URL string }
	request, err := fhir.ParseObject(e.object.Value("request"))
	if err == nil && json.Unmarshal(request.Bytes(), &target) == nil {
		if here, known := g.documents[g.msg.dir+"|"+target.URL]; known {
			request.Set("url", here)
			e.object.Set("request", request)
		}
	}
	return e.object.Bytes()
}

// keep gives a document of the Bundle to the site's server and returns its name there.
func (g *gateway) keep(e carried) (string, error) {
	if e.kind == "Bundle" {
		return g.host(g.site, "application/fhir+json", e.resource.Bytes())
	}
	var b struct {
		ContentType string
		Data        string
	}
	_ = json.Unmarshal(e.resource.Bytes(), &b) // it was read before
	body, err := base64.StdEncoding.DecodeString(b.Data)
	if err != nil {
		body = nil // an empty document: its hash will not fit, and Concord will say so when it is opened
	}
	return g.host(g.site, b.ContentType, body)
}

// point returns an entry with its patient named by our identifier and its attachment at the site's server.
func (g *gateway) point(e carried) json.RawMessage {
	var r struct {
		Subject fhir.Reference
		Content []struct{ Attachment fhir.Attachment }
	}
	_ = json.Unmarshal(e.resource.Bytes(), &r) // what cannot be read is left to Concord to refuse
	if id, known := g.meant(&message{dir: g.msg.dir, bundle: g.msg.place}, r.Subject); known {
		e.resource.Set("subject", fhir.Reference{Identifier: &id})
	} else if r.Subject == (fhir.Reference{}) && g.source != (fhir.Identifier{}) {
		e.resource.Set("subject", fhir.Reference{Identifier: &g.source})
	}
	g.relate(g.msg.dir, &e.resource)
	edited, err := fhir.EditArray(e.resource.Value("content"), func(i int, content *fhir.Object) error {
		attachment, err := fhir.ParseObject(content.Value("attachment"))
		if url, carried := g.urls[r.Content[i].Attachment.URL]; err == nil && carried {
			attachment.Set("url", url)
			content.Set("attachment", attachment)
		}
		return nil
	})
	if err == nil {
		e.resource.Set("content", edited)
	}
	e.object.Set("resource", e.resource)
	return e.object.Bytes()
}
