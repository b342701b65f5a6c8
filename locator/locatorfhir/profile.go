package locatorfhir

import (
	"fmt"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
)

// checkMinimal checks what every document of a Provide Document Bundle fulfils, besides what every pointer
// does. Whether the identifier says by use or by type that it is the unique id differs between builds of MHD;
// neither is asked for.
//
// Source: IHE MHD 4.2, DocumentReference Minimal.
func checkMinimal(path string, d fhir.DocumentReference) error {
	switch {
	case d.MasterIdentifier == nil:
		return metadataError(path+".masterIdentifier", "required", "is required")
	case d.MasterIdentifier.System == "" || d.MasterIdentifier.Value == "":
		return metadataError(path+".masterIdentifier", "required", "must have a system and a value")
	case d.DocStatus != "":
		return metadataError(path+".docStatus", "structure", "must not be present")
	case d.Status != "" && d.Status != "current" && d.Status != "superseded":
		return metadataError(path+".status", "code-invalid", "must be current or superseded")
	}
	for i, id := range d.Identifier {
		if id.Use == "official" && !strings.HasPrefix(id.Value, "urn:uuid:") {
			return metadataError(fmt.Sprintf("%s.identifier[%d].value", path, i), "value", "must be an entryUUID, urn:uuid:")
		}
	}
	return nil
}

// checkComprehensive checks what the comprehensive profiles ask for besides.
//
// Source: IHE MHD 4.2, DocumentReference Comprehensive.
func checkComprehensive(path string, d fhir.DocumentReference) error {
	c := d.Context
	if c == nil {
		c = &fhir.DocumentReferenceContext{}
	}
	content := fhir.DocumentReferenceContent{}
	if len(d.Content) > 0 {
		content = d.Content[0]
	}
	for _, need := range []struct {
		at      string
		present bool
	}{
		{"type", d.Type != nil}, {"subject", d.Subject != nil}, {"securityLabel", len(d.SecurityLabel) > 0},
		{"content[0].attachment.language", content.Attachment.Language != ""}, {"content[0].attachment.creation", content.Attachment.Creation != ""},
		{"content[0].format", content.Format != nil}, {"context.facilityType", c.FacilityType != nil},
		{"context.practiceSetting", c.PracticeSetting != nil}, {"context.sourcePatientInfo", c.SourcePatientInfo != nil},
	} {
		if !need.present {
			return metadataError(path+"."+need.at, "required", "is required by the comprehensive profile")
		}
	}
	if len(d.Category) != 1 {
		return metadataError(path+".category", "structure", "must occur exactly once by the comprehensive profile")
	}
	return nil
}

const (
	extensionSourceID    = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId"
	extensionDesignation = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-designationType"
	listTypes            = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
)

// checkLists reads the lists: exactly one submission set, and folders.
//
// Source: IHE MHD 4.2, SubmissionSet and Folder.
func (w *provider) checkLists() error {
	sets := 0
	for i := range w.p.lists {
		l := &w.p.lists[i]
		if err := fhir.Decode(l.body, &l.l); err != nil {
			return under(l.path, err)
		}
		if l.l.Code != nil {
			for _, c := range l.l.Code.Coding {
				if c.System == listTypes && (c.Code == "submissionset" || c.Code == "folder") {
					l.code = c.Code
				}
			}
		}
		switch l.code {
		case "submissionset":
			sets++
		case "folder":
		default:
			return metadataError(l.path+".code", "code-invalid", "must be submissionset or folder of MHDlistTypes")
		}
		if err := w.checkList(l); err != nil {
			return err
		}
	}
	if sets != 1 {
		return metadataError("Bundle.entry", "structure", "must hold exactly one submission set List")
	}
	return nil
}

func (w *provider) checkList(l *providedList) error {
	at := func(rest string) string { return l.path + "." + rest }
	set := l.code == "submissionset"
	source, designation := 0, 0
	for _, e := range l.l.Extension {
		switch {
		case e.URL == extensionSourceID && e.ValueIdentifier != nil && e.ValueIdentifier.Value != "":
			source++
		case e.URL == extensionDesignation:
			designation++
		}
	}
	switch {
	case l.l.Status != "current":
		return metadataError(at("status"), "value", "must be current")
	case l.l.Mode != "working":
		return metadataError(at("mode"), "value", "must be working")
	case len(l.l.ModifierExtension) > 0:
		return metadataError(at("modifierExtension"), "extension", "must not be present: it could change what the rest means")
	case set && l.l.Date == "":
		return metadataError(at("date"), "required", "is required")
	case set && source != 1:
		return metadataError(at("extension"), "required", "must hold exactly one ihe-sourceId")
	case l.l.Encounter != nil:
		return metadataError(at("encounter"), "structure", "must not be present")
	case l.l.OrderedBy != nil:
		return metadataError(at("orderedBy"), "structure", "must not be present")
	case l.l.EmptyReason != nil:
		return metadataError(at("emptyReason"), "structure", "must not be present")
	case w.comprehensive && designation == 0:
		return metadataError(at("extension"), "required", "must hold an ihe-designationType by the comprehensive profile")
	case w.comprehensive && l.l.Subject == nil:
		return metadataError(at("subject"), "required", "is required by the comprehensive profile")
	case len(l.l.Entry) > locator.MaxDocuments:
		return fmt.Errorf("locatorfhir: list: %w", hie.ErrTooLarge)
	}
	if l.l.Date != "" {
		if _, ok := fhir.ParseSpan(l.l.Date, nil); !ok {
			return metadataError(at("date"), "value", "must be a date or time that exists")
		}
	}
	for i, id := range l.l.Identifier {
		if set && id.Use == "usual" && !strings.HasPrefix(id.Value, "urn:oid:") {
			return metadataError(at(fmt.Sprintf("identifier[%d].value", i)), "value", "must be urn:oid: for the unique id of a submission set")
		}
	}
	return w.checkItems(l, set)
}

// checkItems resolves what a list holds: documents of the Bundle, and in a submission set its folders.
func (w *provider) checkItems(l *providedList, set bool) error {
	for i, e := range l.l.Entry {
		at := fmt.Sprintf("%s.entry[%d]", l.path, i)
		if e.Flag != nil || e.Deleted != nil || e.Date != "" {
			return metadataError(at, "structure", "must have an item and nothing else")
		}
		if n, ok := w.docAt[e.Item.Reference]; ok && e.Item.Reference != "" {
			l.items = append(l.items, n+1)
			continue
		}
		if n, ok := w.listAt[e.Item.Reference]; ok && set && w.p.lists[n].path != l.path && e.Item.Reference != "" {
			continue
		}
		return &hie.InvalidError{Path: at + ".item", Rule: "must name a document of this Bundle", Code: "not-found", Detail: locator.ErrorUnresolved}
	}
	return nil
}
