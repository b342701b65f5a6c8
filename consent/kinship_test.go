package consent

import (
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

// TestANetworkPutsOneSensitivityUnderAnother: what is said of the upper one is said of the lower, and who refuses the lower one is not
// shown the upper, which may hold it.
//
// Source: spec consent 2.4 (subsumption) and section 6, scenario 7 (a change of the hierarchy).
func TestANetworkPutsOneSensitivityUnderAnother(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	under := func(pairs ...string) (out []SensitivityUnder) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, SensitivityUnder{Code: pairs[i], Under: pairs[i+1]})
		}
		return out
	}
	label := func(kind, code string) Provision { return Provision{Type: kind, Labels: []string{code}} }
	for _, tt := range []struct {
		name  string
		kin   []SensitivityUnder
		said  Provision
		label string
		emerg bool
		want  string
	}{
		{"by the list they are apart", nil, label("deny", "SEX"), "STD", false, "DEFAULT"},
		{"refused with what it is put under", under("STD", "SEX"), label("deny", "SEX"), "STD", false, "DENY"},
		{"what holds it, refused with it", under("STD", "SEX"), label("deny", "STD"), "SEX", false, "DENY"},
		{"others as before", under("STD", "SEX"), label("deny", "SEX"), "HIV", false, "DEFAULT"},
		{"permitted with what it is put under", under("STD", "SEX"), label("permit", "SEX"), "STD", false, "PERMIT"},
		{"what holds it, not permitted with it", under("STD", "SEX"), label("permit", "STD"), "SEX", false, "NOT_COVERED"},
		{"through two", under("STD", "SEX", "SEX", "REPRO"), label("deny", "REPRO"), "STD", false, "DENY"},
		{"under what stands in the list", under("VIO", "PSY"), label("deny", "BH"), "VIO", false, "DENY"},
		{"each under the other", under("STD", "SEX", "SEX", "STD"), label("permit", "STD"), "SEX", false, "PERMIT"},
		{"by another name", under("STD", "ETH"), label("deny", "SUD"), "STD", false, "DENY"},
		{"an emergency opens what is refused", nil, label("deny", "VIO"), "VIO", true, "EMERGENCY"},
		{"and not what may be a psychotherapy note", under("PSYTHPN", "VIO"), label("deny", "VIO"), "VIO", true, "DENY"},
	} {
		env, err := NewEnv(Setup{Sensitivities: tt.kin, EmergencyHours: 4, Organizations: []Organization{{ID: "gh"}, {ID: "elm"}}, Policies: []Policy{{URI: "p1"}},
			Sites: []Site{{ID: "s", Org: "gh", PrivilegedRoles: []string{"ed"}}}, Defaults: []Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}})
		if err != nil {
			t.Fatal(err)
		}
		d := Compile(env, Subject{Records: []Record{{ID: "1", Site: "s", Link: hie.LinkConfirmed}}}, []Directive{wish("1", "p1", now.AddDate(0, -1, 0), tt.said)})
		req := Request{Organization: "elm", Roles: []string{"ed"}, Purposes: []hie.Purpose{"TREAT"}}
		if tt.emerg {
			req.Emergency = &Emergency{ReasonCode: "unconscious", Text: "found unconscious and brought in", Role: "ed", At: now, Attested: Attestations()}
		}
		got := d.Decide(req, Document{ID: "d", Record: "1", Site: "s", Class: "lab", Confidentiality: "N", Sensitivity: []string{tt.label}, LabelState: Labelled}, now)
		if got.Reason.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got.Reason, tt.want)
		}
	}
}
