package portal

import (
	"net/http"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// P1: what a patient sees first, and how much there is where.

// zone is the time zone of whoever is signed in: that of a site of theirs, or of the first site there is.
func (v *visit) zone() *time.Location {
	name := ""
	for _, s := range v.deps.Network().Sites() {
		if name == "" || s.Org == v.session.Actor.Organization {
			name = s.Zone
		}
	}
	if z, err := time.LoadLocation(name); err == nil && name != "" {
		return z
	}
	return time.UTC
}

// A place is one site that holds records, with how many of each class.
type place struct {
	Site   hie.SiteID
	Total  int64
	Newest time.Time
	Kinds  []placeKind
}

type placeKind struct {
	Class string
	Count int64
}

// whereabouts returns where the patient who is signed in has documents.
func (v *visit) whereabouts() ([]place, error) {
	var p fhir.Parameters
	body := map[string]any{"resourceType": "Parameters", "parameter": []map[string]any{
		{"name": "patient", "valueReference": map[string]any{"reference": "Patient/" + v.myID()}}}}
	if err := v.read(http.MethodPost, "/fhir/DocumentReference/$presence", body, &p, "Content-Type", "application/fhir+json"); err != nil {
		return nil, err
	}
	var out []place
	for _, q := range p.Parameter {
		if q.Name != "presence" {
			continue
		}
		var site hie.SiteID
		k := placeKind{}
		var newest time.Time
		for _, part := range q.Part {
			switch part.Name {
			case "site":
				if part.ValueReference != nil {
					site = hie.SiteID(part.ValueReference.Reference[len("Organization/"):])
				}
			case "class":
				k.Class = part.ValueCode
			case "count":
				if part.ValueInteger != nil {
					k.Count = int64(*part.ValueInteger)
				}
			case "newest":
				newest, _ = time.Parse(time.RFC3339Nano, part.ValueDateTime)
			}
		}
		if len(out) == 0 || out[len(out)-1].Site != site {
			out = append(out, place{Site: site})
		}
		last := &out[len(out)-1]
		last.Kinds = append(last.Kinds, k)
		last.Total += k.Count
		if newest.After(last.Newest) {
			last.Newest = newest.In(v.zone())
		}
	}
	return out, nil
}

// myHome answers GET /my: the choice in one sentence, who looked last, emergencies, and how much there is where.
func (v *visit) myHome() error {
	all, err := v.consentsOf("")
	if err != nil {
		return err
	}
	now, others := standing(all)
	rows, older, err := v.looks(lookFilter{own: false}, "", 3)
	if err != nil {
		return err
	}
	emergencies, _, err := v.looks(lookFilter{emergency: true}, "", 3)
	if err != nil {
		return err
	}
	recent := emergencies[:0]
	for _, e := range emergencies {
		if v.now.Sub(e.At) < 30*24*time.Hour {
			recent = append(recent, e)
		}
	}
	where, err := v.whereabouts()
	if err != nil {
		return err
	}
	total := int64(0)
	for _, p := range where {
		total += p.Total
	}
	v.show(http.StatusOK, "my", map[string]any{"Now": now, "Others": others, "Looks": rows, "Older": older != "", "Emergencies": recent, "Places": len(where), "Documents": total})
	return nil
}
