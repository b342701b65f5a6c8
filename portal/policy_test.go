package portal

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/concord-hie/concord/access"
)

// TestADayThatCannotBeReadPutsNothingInForce: an officer says from when on a version is to hold. A browser without a field for dates
// sends what was typed.
func TestADayThatCannotBeReadPutsNothingInForce(t *testing.T) {
	for _, tt := range []struct {
		name, typed string
		status      int
		asked       string // of the API, "" for nothing
	}{
		{"a day and time", "2027-01-31T08:00", http.StatusSeeOther, "2027-01-31T13:00:00Z"},
		{"nothing is at once", "", http.StatusSeeOther, "at once"},
		{"a day as people write it", "1/31/2027", http.StatusBadRequest, ""},
		{"a day without a time", "2027-01-31", http.StatusBadRequest, ""},
	} {
		w := newWorld(t)
		asked := ""
		w.api.answer = func(out http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/activate") {
				var in struct{ Effective string }
				b, _ := io.ReadAll(r.Body)
				_ = json.Unmarshal(b, &in)
				if asked = in.Effective; asked == "" {
					asked = "at once"
				}
			}
			_ = json.NewEncoder(out).Encode(map[string]any{})
		}
		b := w.staff(access.DutyPrivacy)
		got := b.do(http.MethodPost, "/officer/policies/house/versions/1/activate", url.Values{"effective": {tt.typed}})
		if got.Code != tt.status || asked != tt.asked {
			t.Errorf("%s: %d, asked %q; want %d and %q", tt.name, got.Code, asked, tt.status, tt.asked)
		}
	}
}
