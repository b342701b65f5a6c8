package locatorfhir

import (
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/go-json-experiment/json"
)

// author returns who a reference names: a contained Practitioner (or other person) by name, others by
// reference or identifier.
func author(ref fhir.Reference, contained []fhir.Contained) locator.Author {
	a := locator.Author{}
	for _, text := range referenceText(ref) {
		if a.Reference == "" {
			a.Reference = text
		}
	}
	for _, c := range contained {
		if ref.Reference != "#"+c.ID {
			continue
		}
		var ids []fhir.Identifier
		if c.Identifier.Kind() == '[' && json.Unmarshal(c.Identifier, &ids) == nil && len(ids) > 0 && ids[0].Value != "" {
			a.Reference = ids[0].System + "|" + ids[0].Value
		}
		if c.ResourceType == "Organization" {
			a.Organization, a.Reference = a.Reference, ""
			return a
		}
		var names []fhir.HumanName
		if c.Name.Kind() == '[' && json.Unmarshal(c.Name, &names) == nil {
			for _, n := range names {
				a.Given = append(a.Given, n.Given...)
				if a.Family == "" {
					a.Family = n.Family
				}
			}
		}
	}
	return a
}
