CREATE TABLE "stores"."settled_returns" (
	"return_task_id" uuid PRIMARY KEY NOT NULL
);
--> statement-breakpoint
ALTER TABLE "stores"."picks" DROP CONSTRAINT "picks_task_id_fence_line_id_pk";--> statement-breakpoint
ALTER TABLE "stores"."picks" RENAME COLUMN "short" TO "missed";--> statement-breakpoint
ALTER TABLE "stores"."picks" ADD COLUMN "attempt" integer;--> statement-breakpoint
ALTER TABLE "stores"."picks" ADD COLUMN "return_task_id" uuid;--> statement-breakpoint
ALTER TABLE "stores"."picks" ADD COLUMN "returned" integer;--> statement-breakpoint
ALTER TABLE "stores"."picks" ADD COLUMN "written_off" integer;--> statement-breakpoint
-- A fence tells attempts apart as well; what was put back is back, and no return knows what is older than returns.
UPDATE "stores"."picks" SET "attempt" = "fence", "return_task_id" = gen_random_uuid(),
	"returned" = CASE WHEN "put_back" THEN "picked" ELSE 0 END, "written_off" = CASE WHEN "put_back" THEN 0 ELSE "missed" END;--> statement-breakpoint
ALTER TABLE "stores"."picks" ALTER COLUMN "attempt" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "stores"."picks" ALTER COLUMN "return_task_id" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "stores"."picks" ALTER COLUMN "returned" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "stores"."picks" ALTER COLUMN "written_off" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "stores"."picks" DROP COLUMN "fence";--> statement-breakpoint
ALTER TABLE "stores"."picks" DROP COLUMN "put_back";--> statement-breakpoint
ALTER TABLE "stores"."picks" ADD CONSTRAINT "picks_task_id_attempt_line_id_pk" PRIMARY KEY("task_id","attempt","line_id");--> statement-breakpoint
CREATE INDEX "picks_by_return" ON "stores"."picks" USING btree ("return_task_id");--> statement-breakpoint
ALTER TABLE "stores"."picks" ADD CONSTRAINT "picks_returned" CHECK ("stores"."picks"."returned" between 0 and "stores"."picks"."picked");
