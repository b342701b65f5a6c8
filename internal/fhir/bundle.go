package fhir

// encodeBundle writes b as [Encode] does, but that the resources, which are JSON already and most of its bytes, are not
// read once more.
func encodeBundle(b Bundle) []byte {
	head := b
	head.Entry = nil
	out := encode(head)
	if len(b.Entry) == 0 {
		return out
	}
	size := len(out) + 16
	for _, e := range b.Entry {
		size += len(e.FullURL) + len(e.Resource) + 128
	}
	out = append(make([]byte, 0, size), out[:len(out)-1]...)
	out = append(out, `,"entry":[`...)
	for i, e := range b.Entry {
		if i > 0 {
			out = append(out, ',')
		}
		out = e.append(out)
	}
	return append(out, "]}"...)
}

func (e BundleEntry) append(out []byte) []byte {
	out = append(out, '{')
	begin := len(out)
	name := func(member string) {
		if len(out) > begin {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), member...), `":`...)
	}
	if e.FullURL != "" {
		name("fullUrl")
		out = quote(out, e.FullURL)
	}
	if len(e.Resource) > 0 {
		name("resource")
		out = append(out, e.Resource...)
	}
	if s := e.Search; s != nil {
		name("search")
		if s.Mode == "match" && len(s.Extension) == 0 && s.Score == nil {
			out = append(out, `{"mode":"match"}`...)
		} else {
			out = append(out, encode(s)...)
		}
	}
	if e.Request != nil {
		name("request")
		out = append(out, encode(e.Request)...)
	}
	if e.Response != nil {
		name("response")
		out = append(out, encode(e.Response)...)
	}
	return append(out, '}')
}
