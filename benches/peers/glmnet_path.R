# usage: Rscript glmnet_path.R DATA [THRESH ...]
# Elastic-net logistic path of 100 penalties (alpha 0.5) on c1_Xs_tr, as task c1_lrpath of
# side_by_side: prints the time and the largest optimality gap of each threshold.
suppressMessages(library(glmnet))
glmnet.control(fdev = 0, devmax = 1) # all 100 penalties, as galen fits them
args <- commandArgs(TRUE)
read <- function(name, k) matrix(readBin(file.path(args[1], paste0(name, ".bin")), "double", n = 1e8), ncol = k, byrow = TRUE)
x <- read("c1_Xs_tr", 50); y <- as.vector(read("c1_y_tr", 1)); n <- nrow(x)
s <- apply(x, 2, function(v) sqrt(mean((v - mean(v))^2)))
for (thresh in as.numeric(args[-1])) {
  times <- replicate(3, system.time(fit <<- glmnet(x, y, family = "binomial", alpha = 0.5, nlambda = 100,
    lambda.min.ratio = 1e-4, thresh = thresh, maxit = 1e7))["elapsed"])
  gap <- 0
  for (k in seq_along(fit$lambda)) {
    b <- as.vector(fit$beta[, k]); p <- plogis(fit$a0[k] + x %*% b)
    g <- as.vector(crossprod(x, p - y)) / n / s; z <- b * s; l <- fit$lambda[k]
    slope <- g + l * 0.5 * z
    gap <- max(gap, abs(mean(p - y)), ifelse(z == 0, pmax(abs(slope) - l * 0.5, 0), abs(slope + l * 0.5 * sign(z))))
  }
  cat(sprintf('{"peer":"glmnet","thresh":%g,"times":[%s],"gap":%.2e,"n":%d,"first":%.10f,"last_deviance":%.6f}\n', thresh,
    paste(round(times, 4), collapse = ","), gap, length(fit$lambda), fit$lambda[1], deviance(fit)[length(fit$lambda)]))
}
