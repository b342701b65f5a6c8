package server

import (
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/gin-gonic/gin"
)

// listParams are the parameters of a list of administration, each given at most once; an unknown one is refused. count
// and after are common to all.
type listParams struct {
	values map[string]string
	count  int
}

func readListParams(c *gin.Context, names ...string) (listParams, error) {
	out := listParams{values: map[string]string{}, count: 50}
	for name, values := range c.Request.URL.Query() {
		switch {
		case len(values) > 1:
			return out, hie.Invalid(parameterName(name), "must be given once")
		case name != "after" && name != "count" && !slices.Contains(names, name):
			return out, hie.Invalid(parameterName(name), "is not a parameter of this list")
		}
		out.values[name] = values[0]
	}
	if v := out.values["count"]; v != "" {
		var err error
		if out.count, err = strconv.Atoi(v); err != nil || out.count < 1 || out.count > 200 {
			return out, hie.Invalid("count", "must be from 1 to 200")
		}
	}
	return out, nil
}

// instant reads a parameter that is an instant, zero when it is not given.
func (p listParams) instant(name string) (time.Time, error) {
	v := p.values[name]
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return time.Time{}, hie.Invalid(name, "must be an instant with offset")
	}
	return t.UTC(), nil
}

// flag reads a parameter that is true or false, false when it is not given.
func (p listParams) flag(name string) (bool, error) {
	v := p.values[name]
	if v == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, hie.Invalid(name, "must be true or false")
	}
	return b, nil
}

// errAfter is the answer to a place that continues no such list.
var errAfter = hie.Invalid("after", "does not continue this list")
