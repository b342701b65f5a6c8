package server

// routes is where every path of the machine doors is named.
func (s *Server) routes() {
	s.engine.GET("/version", s.version)
	s.engine.GET("/livez", s.livez)
	s.engine.GET("/readyz", s.readyz)

	f := s.engine.Group("/fhir", s.negotiate, s.authenticate)

	f.GET("/Organization", s.requireScope("Organization", 's'), s.searchOrganizations)
	f.POST("/Organization/_search", s.requireScope("Organization", 's'), s.searchOrganizations)
	f.GET("/Organization/:id", s.requireScope("Organization", 'r'), s.readOrganization)
	f.GET("/Endpoint", s.requireScope("Endpoint", 's'), s.searchEndpoints)
	f.POST("/Endpoint/_search", s.requireScope("Endpoint", 's'), s.searchEndpoints)
	f.GET("/Endpoint/:id", s.requireScope("Endpoint", 'r'), s.readEndpoint)
}
