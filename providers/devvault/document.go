package devvault

type routeMaker = func(string, func(*call) (reply, error)) *route

func documentRoutes(get, post, put, remove routeMaker, reading func(*route) *route) []*route {
	return nil
}
