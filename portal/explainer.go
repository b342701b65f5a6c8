package portal

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// O3, who looked at a patient's records; O4, why somebody may or may not, now, then, or if; O5, what a patient has said.

// patientForm answers GET /officer/patients.
func (v *visit) patientForm() error {
	v.showPatientForm(http.StatusOK, "", "", nil)
	return nil
}

func (v *visit) showPatientForm(status int, site, number string, faults []fault) {
	v.show(status, "officer/patients", map[string]any{"Sites": v.registrars(), "Site": site, "Number": number, "Faults": faults})
}

// findPatient answers POST /officer/patients: the patient whom a site knows by a number.
func (v *visit) findPatient() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	site, number := form.Get("site"), strings.TrimSpace(form.Get("number"))
	record, err := v.recordAt(site, number)
	if errors.Is(err, hie.ErrNotFound) {
		v.showPatientForm(http.StatusUnprocessableEntity, site, number, []fault{{"number", "locals.fault.unknown"}})
		return nil
	}
	if err != nil {
		return err
	}
	return v.redirect("/officer/patients/" + record)
}

// patientFile answers GET /officer/patients/:patient: what the patient has said, and who looked.
func (v *visit) patientFile() error {
	patient := v.c.Param("patient")
	rows, next, err := v.accessTo(patient, time.Time{}, time.Time{}, v.c.Query("after"))
	if err != nil {
		return err
	}
	if next != "" {
		next = "/officer/patients/" + url.PathEscape(patient) + "?after=" + url.QueryEscape(next)
	}
	all, err := v.consentsOf(patient)
	if err != nil {
		return err
	}
	for i := range all {
		all[i].At = all[i].At.In(v.zone())
	}
	acting, err := v.representativesOf(patient)
	if err != nil {
		return err
	}
	tasks, _, err := v.wishTasks(url.Values{"patient": {patient}, "count": {"50"}})
	if err != nil {
		return err
	}
	v.show(http.StatusOK, "officer/patient", map[string]any{"Patient": patient, "Rows": rows, "Next": next, "Consents": all, "Representatives": acting,
		"Capacities": officerCapacities, "Tasks": tasks})
	return nil
}

// A trace is a decision with everything that spoke.
type decisionTrace struct {
	Release     bool     `json:"release"`
	Reason      string   `json:"reason"`
	Layer       string   `json:"layer"`
	Obligations []string `json:"obligations"`
	Directives  []struct {
		Consent string   `json:"consent"`
		Version int64    `json:"version"`
		State   string   `json:"state"`
		Why     []string `json:"why"`
	} `json:"directives"`
	Steps []traceStep `json:"steps"`
}

type traceStep struct {
	Atom    string `json:"atom"`
	Purpose string `json:"purpose"`
	Layer   string `json:"layer"`
	Rule    string `json:"rule"`
	Node    string `json:"node"`
	Effect  string `json:"effect"`
	Decides bool   `json:"decides"`
	Note    string `json:"note"`
	Source  string `json:"source"`
}

// What the explainer can be asked about. Codes are those of requests.
var (
	explainRoles    = []string{"physician", "nurse", "ed", "front-desk"}
	explainPurposes = []string{"TREAT", "BTG", "HPAYMT", "HOPERAT", "HRESCH", "PUBHLTH"}
	explainClasses  = []string{"34133-9", "18842-5", "11502-2", "18748-4", "29549-3", "11369-6", "11488-4"}
	explainLabels   = []string{"ETH", "PSY", "HIV", "SDV", "STD"}
)

// explain answers GET /officer/patients/:patient/explain: the decision about such a document for such a request, now or at
// an instant, with every rule that spoke. Nothing is disclosed.
func (v *visit) explain() error {
	patient, q := v.c.Param("patient"), v.c.Request.URL.Query()
	pickOf := func(name string, from []string, other string) string {
		if s := q.Get(name); slices.Contains(from, s) {
			return s
		}
		return other
	}
	user := "explained" // nobody in particular
	var claimed time.Time
	if id := q.Get("review"); id != "" {
		var r review
		if err := v.read(http.MethodGet, reviewPath(id), nil, &r); err != nil {
			return err
		}
		user = r.User // what an emergency opens, it opens to who claimed it
		if !r.Ended.IsZero() || !v.now.Before(r.Until) {
			claimed = r.Opened.Add(time.Millisecond).In(v.zone()) // what is asked is what it opened while it held; the API cuts the instant to milliseconds
		}
	}
	data := map[string]any{"Review": q.Get("review"), "Patient": patient, "Orgs": v.sharers(), "Org": q.Get("org"), "Roles": explainRoles, "Role": pickOf("role", explainRoles, "physician"),
		"Purposes": explainPurposes, "Purpose": pickOf("purpose", explainPurposes, "TREAT"), "Classes": explainClasses, "Class": pickOf("class", explainClasses, "34133-9"),
		"Labels": explainLabels, "Label": pickOf("label", explainLabels, ""), "At": q.Get("at"), "Asked": q.Get("org") != "", "Then": time.Time{}}
	if q.Get("org") != "" {
		document := map[string]any{"class": data["Class"], "confidentiality": "N", "labelled": true}
		if label := data["Label"].(string); label != "" {
			document["sensitivity"], document["confidentiality"] = []string{label}, "R"
		}
		body := map[string]any{"patient": patient, "organization": q.Get("org"), "user": user, "roles": []string{data["Role"].(string)},
			"purposes": []string{data["Purpose"].(string)}, "document": document}
		if at, ok := v.instant(q.Get("at")); ok {
			body["at"], data["Then"] = at.UTC().Format(time.RFC3339), at
		} else if !claimed.IsZero() {
			body["at"], data["Then"] = claimed.UTC().Format(time.RFC3339Nano), claimed
		}
		var t decisionTrace
		if err := v.read(http.MethodPost, "/admin/v1/consent/explain", body, &t); err != nil {
			return err
		}
		data["Trace"] = t
	}
	v.show(http.StatusOK, "officer/explain", data)
	return nil
}
