package portal

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// O5, who may act for a patient, as a privacy officer keeps it.

// A representative is one as the API gives them.
type representative struct {
	ID        string `json:"id"`
	Version   int64  `json:"version"`
	Name      string `json:"name"`
	Capacity  string `json:"capacity"`
	Rights    string `json:"rights"`
	Start     string `json:"start"`
	End       string `json:"end"`
	Evidence  string `json:"evidence"`
	Withdrawn bool   `json:"withdrawn"`
	Acts      bool   `json:"acts"`
	// Invite is the link with which they can begin to act here, "" when they have, and for whom the patient named.
	Invite string `json:"-"`
}

// officerCapacities are the capacities an officer puts on record; a patient names helpers themselves.
var officerCapacities = []string{"parent", "guardian", "agent", "executor"}

func (v *visit) representativesOf(patient string) ([]representative, error) {
	var in struct {
		Representatives []representative `json:"representatives"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/consent/representatives?patient="+url.QueryEscape(patient), nil, &in); err != nil {
		return nil, err
	}
	for i := range in.Representatives {
		r := &in.Representatives[i]
		if !r.Acts || r.Capacity == string(consent.CapacityHelper) {
			continue
		}
		record, id, err := v.id("representative", r.ID)
		if err != nil {
			return nil, err
		}
		bound, err := v.deps.Helpers.HelperBound(v.ctx, hie.SourcePatientID(record), id)
		if err != nil {
			return nil, err
		}
		if !bound {
			r.Invite = v.cfg.BaseURL + "/helping/invited/" + v.invite(consent.Representative{Record: hie.SourcePatientID(record), ID: id})
		}
	}
	return in.Representatives, nil
}

// addRepresentative answers POST /officer/patients/:patient/representatives.
func (v *visit) addRepresentative() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	one := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	body := map[string]any{"patient": v.c.Param("patient"), "ref": one("ref"), "name": one("name"), "capacity": one("capacity"), "rights": one("rights"),
		"start": one("start"), "end": one("end"), "evidence": one("evidence")}
	if _, err := v.call(http.MethodPost, "/admin/v1/consent/representatives", body); err != nil {
		return err
	}
	return v.backToFile("representatives.added")
}

// endRepresentative answers POST /officer/patients/:patient/representatives/:representative/end: from today on they act no longer.
func (v *visit) endRepresentative() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	version, err := strconv.ParseInt(form.Get("version"), 10, 64)
	if wrong(err) {
		return v.backToFile("")
	}
	if _, err := v.call(http.MethodPost, "/admin/v1/consent/representatives/"+url.PathEscape(v.c.Param("representative"))+"/end",
		map[string]any{"version": version, "withdrawn": true}); err != nil {
		return err
	}
	return v.backToFile("representatives.ended")
}

// backToFile leads back to the file of the patient of the path, with a word about what was done.
func (v *visit) backToFile(done string) error {
	if done != "" {
		if err := v.say(done); err != nil {
			return err
		}
	}
	return v.redirect("/officer/patients/" + url.PathEscape(v.c.Param("patient")))
}
