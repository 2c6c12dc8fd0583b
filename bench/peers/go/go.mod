module fetchcgi.test/bench

go 1.19
