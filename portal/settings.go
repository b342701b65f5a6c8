package portal

import (
	"net/http"
)

// A9, the settings in force on the node that answers.

// A setting is one of them as the API tells of it.
type setting struct {
	Name   string `json:"name"`
	Env    string `json:"env"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

// settings answers GET /operator/settings.
func (v *visit) settings() error {
	var in struct {
		Version  string    `json:"version"`
		Settings []setting `json:"settings"`
	}
	if err := v.read(http.MethodGet, "/admin/v1/config", nil, &in); err != nil {
		return err
	}
	v.show(http.StatusOK, "operator/settings", map[string]any{"Version": in.Version, "Settings": in.Settings})
	return nil
}
