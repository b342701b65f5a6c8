package portal

import (
	"net/http"
	"slices"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
)

// P5, preview as: what would somebody be shown under the choice on file.

// previewRoles and previewPurposes are what can be tried. An emergency is a purpose of its own.
var (
	previewRoles    = []string{"physician", "nurse", "ed"}
	previewPurposes = []string{"TREAT", "BTG", "HPAYMT", "HOPERAT", "HRESCH"}
)

// previewAs answers GET /my/preview?org=&role=&purpose=.
func (v *visit) previewAs() error {
	orgs := v.sharers()
	q := v.c.Request.URL.Query()
	org, role, purpose := hie.OrgID(q.Get("org")), q.Get("role"), q.Get("purpose")
	data := map[string]any{"Orgs": orgs, "Roles": previewRoles, "Purposes": previewPurposes, "Org": org, "Role": role, "Purpose": purpose, "Asked": false}
	if org == "" {
		v.show(http.StatusOK, "preview", data)
		return nil
	}
	if !slices.ContainsFunc(orgs, func(o directory.Organization) bool { return o.ID == org }) || !slices.Contains(previewRoles, role) || !slices.Contains(previewPurposes, purpose) {
		return hie.Invalid("org", "must be an organization, a role and a purpose of the lists")
	}
	as := v.doctorAt(org)
	as.Roles, as.Purposes = []string{role}, []hie.Purpose{hie.Purpose(purpose)}
	out, err := v.deps.Preview.Preview(v.ctx, v.actor(), federation.Preview{As: as, Emergency: purpose == string(hie.PurposeBreakGlass)})
	if err != nil {
		return err
	}
	shown, kept := int64(0), int64(0)
	for _, o := range out {
		shown, kept = shown+o.Shown, kept+o.Kept
	}
	data["Asked"], data["Outlook"], data["Shown"], data["Kept"] = true, out, shown, kept
	v.show(http.StatusOK, "preview", data)
	return nil
}
