package consentfhir

import (
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/google/go-cmp/cmp"
)

// TestEveryFormBecomesAConsentThatSaysWhatItDoes composes each built-in form, files it and reads it back.
func TestEveryFormBecomesAConsentThatSaysWhatItDoes(t *testing.T) {
	answers := map[string]consent.Answers{"chosen-organizations": {Organizations: []hie.OrgID{"elm", "oak"}, Until: "2027-06-30"},
		"hide-groups": {Labels: []string{"HIV"}}, "part2-treatment": {Organizations: []hie.OrgID{"dawn"}}}
	for _, form := range consent.BuiltinTemplates() {
		root, err := form.Fill(answers[form.ID])
		if err != nil {
			t.Fatal(err)
		}
		b := Compose(form, root, Signing{Patient: fhir.Reference{Reference: "Patient/p"}, Performer: fhir.Reference{Reference: "Patient/p"}, Signed: noon.Add(-time.Hour), Verified: form.ID != "never", Language: "es"})
		v, _, err := ReadFiling(b, noon, time.UTC)
		if err != nil || !v.NetworkWide || v.Absolute != form.Absolute || v.Verified != (form.ID != "never") || v.Signed.Truncate(time.Second) != noon.Add(-time.Hour) {
			t.Errorf("%s: %v", form.ID, err)
		}
		d, err := Read(b)
		if err != nil {
			t.Fatal(err)
		}
		sayRecipient(d.Provision)
		sayRecipient(&root)
		if diff := cmp.Diff(&root, d.Provision); diff != "" {
			t.Errorf("%s: %s", form.ID, diff)
		}
		again, err := ReadTemplate(WriteTemplate(form))
		if err != nil {
			t.Fatal(err)
		}
		again.Version, again.State = form.Version, form.State
		sayRecipient(&again.Root)
		sayRecipient(&form.Root)
		if diff := cmp.Diff(form, again); diff != "" {
			t.Errorf("%s: %s", form.ID, diff)
		}
	}
}

// sayRecipient names the role of actors that name none.
func sayRecipient(p *consent.Provision) {
	for i := range p.Actors {
		if p.Actors[i].Role == "" {
			p.Actors[i].Role = "IRCP"
		}
	}
	for i := range p.Provisions {
		sayRecipient(&p.Provisions[i])
	}
}
