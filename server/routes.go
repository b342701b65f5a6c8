package server

// routes is where every path of the machine doors is named.
func (s *Server) routes() {
	s.engine.GET("/version", s.version)
	s.engine.GET("/livez", s.livez)
	s.engine.GET("/readyz", s.readyz)

	f := s.engine.Group("/fhir", s.negotiate, s.authenticate)
	_ = f
}
